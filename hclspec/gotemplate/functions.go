package gotemplate

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig/v3"
)

// kept are sprig's functions that depend on their arguments alone, by what they are about.
// Those of dates read the clock or the time zone of the machine; those that make keys and
// certificates are random.
var kept = []struct{ Title, Names string }{
	{"texts", `abbrev abbrevboth camelcase cat contains hasPrefix hasSuffix indent initials kebabcase lower nindent nospace plural
		quote repeat replace snakecase squote substr swapcase title toString trim trimAll trimPrefix trimSuffix trimall trunc
		untitle upper wrap wrapWith`},
	{"numbers", `add add1 add1f addf atoi biggest ceil div divf float64 floor int int64 max maxf min minf mod mul mulf round seq sub
		subf toDecimal until untilStep`},
	{"lists", `append chunk compact concat first has initial join last list mustAppend mustChunk mustCompact mustFirst mustHas
		mustInitial mustLast mustPrepend mustPush mustRest mustReverse mustSlice mustUniq mustWithout prepend push rest reverse
		slice sortAlpha split splitList splitn toStrings tuple uniq without`},
	{"dictionaries", `deepCopy deepEqual dict dig get hasKey keys merge mergeOverwrite mustDeepCopy mustMerge mustMergeOverwrite
		omit pick pluck set unset values`},
	{"defaults and types", "all any coalesce default empty fail kindIs kindOf ternary typeIs typeIsLike typeOf"},
	{"encodings and hashes", `adler32sum b32dec b32enc b64dec b64enc fromJson mustFromJson mustToJson mustToPrettyJson mustToRawJson
		sha1sum sha256sum sha512sum toJson toPrettyJson toRawJson`},
	{"patterns, versions, paths and URLs", `base clean dir duration ext isAbs mustRegexFind mustRegexFindAll mustRegexMatch
		mustRegexReplaceAll mustRegexReplaceAllLiteral mustRegexSplit regexFind regexFindAll regexMatch regexQuoteMeta
		regexReplaceAll regexReplaceAllLiteral regexSplit semver semverCompare urlJoin urlParse`},
}

// Functions names what a template may call beside the functions of text/template, by subject.
func Functions() map[string][]string {
	out := map[string][]string{}
	for _, k := range kept {
		out[k.Title] = strings.Fields(k.Names)
	}
	return out
}

// refused reports whether a function is one of sprig's that is not kept.
func refused(name string) bool {
	_, known := sprig.TxtFuncMap()[name]
	return known
}

// functions are those that this rendering may call. Each counts, and what it returns is
// measured; those that can make much of little are looked at before.
func (r *run) functions() template.FuncMap {
	all := sprig.TxtFuncMap()
	all["keys"], all["values"] = sortedKeys, sortedValues
	out := template.FuncMap{stepName: r.step, enterName: r.enter, leaveName: r.leave, shownName: shown}
	for _, k := range kept {
		for name := range strings.FieldsSeq(k.Names) {
			if f, ok := all[name]; ok {
				out[name] = r.counted(f, before[name])
			}
		}
	}
	out["print"] = r.counted(fmt.Sprint, nil)
	out["println"] = r.counted(fmt.Sprintln, nil)
	out["printf"] = r.counted(fmt.Sprintf, before["printf"])
	return out
}

var failure = reflect.TypeFor[error]()

// counted wraps a function. An error is its last result.
func (r *run) counted(f any, look func(r *run, args []reflect.Value) error) any {
	fn := reflect.ValueOf(f)
	ty := fn.Type()
	var in, out []reflect.Type
	for i := range ty.NumIn() {
		in = append(in, ty.In(i))
	}
	out = append(out, ty.Out(0), failure)
	return reflect.MakeFunc(reflect.FuncOf(in, out, ty.IsVariadic()), func(args []reflect.Value) []reflect.Value {
		fail := func(err error) []reflect.Value {
			return []reflect.Value{reflect.Zero(ty.Out(0)), reflect.ValueOf(&err).Elem()}
		}
		if _, err := r.step(); err != nil {
			return fail(err)
		}
		if look != nil {
			if err := look(r, args); err != nil {
				return fail(err)
			}
		}
		var results []reflect.Value
		if ty.IsVariadic() {
			results = fn.CallSlice(args)
		} else {
			results = fn.Call(args)
		}
		if len(results) == 2 && !results[1].IsNil() {
			return fail(results[1].Interface().(error))
		}
		if err := r.measure(results[0]); err != nil {
			return fail(err)
		}
		return []reflect.Value{results[0], reflect.Zero(failure)}
	}).Interface()
}

// measure refuses a value that is too large, with what is in it several times counted so.
func (r *run) measure(v reflect.Value) error {
	parts, bytes := 0, 0
	var walk func(v reflect.Value)
	walk = func(v reflect.Value) {
		if parts++; parts > r.limits.Steps || bytes > r.limits.Bytes {
			return
		}
		switch v.Kind() {
		case reflect.Interface, reflect.Pointer:
			if !v.IsNil() {
				walk(v.Elem())
			}
		case reflect.String:
			bytes += v.Len()
		case reflect.Slice, reflect.Array:
			for i := 0; i < v.Len() && parts <= r.limits.Steps && bytes <= r.limits.Bytes; i++ {
				walk(v.Index(i))
			}
		case reflect.Map:
			for it := v.MapRange(); it.Next() && parts <= r.limits.Steps && bytes <= r.limits.Bytes; {
				walk(it.Key())
				walk(it.Value())
			}
		}
	}
	walk(v)
	switch {
	case parts > r.limits.Steps:
		return &limitError{fmt.Sprintf("a value in it has more than %d parts", r.limits.Steps)}
	case bytes > r.limits.Bytes:
		return r.tooLarge()
	}
	return nil
}

func (r *run) tooLarge() error {
	return &limitError{fmt.Sprintf("a text in it is larger than %d MiB", r.limits.Bytes>>20)}
}

// before looks at the arguments of functions that can make much of little.
var before = map[string]func(r *run, args []reflect.Value) error{
	"repeat": func(r *run, a []reflect.Value) error { return r.times(a[0].Int(), a[1].Len()) },
	"indent": func(r *run, a []reflect.Value) error {
		return r.times(a[0].Int(), 1+strings.Count(a[1].String(), "\n"))
	},
	"nindent": func(r *run, a []reflect.Value) error {
		return r.times(a[0].Int(), 1+strings.Count(a[1].String(), "\n"))
	},
	"replace": func(r *run, a []reflect.Value) error {
		return r.times(int64(a[1].Len()), strings.Count(a[2].String(), a[0].String()))
	},
	"wrapWith": func(r *run, a []reflect.Value) error { return r.times(int64(a[1].Len()), a[2].Len()) },
	"join":     func(r *run, a []reflect.Value) error { return r.times(int64(a[0].Len()), elements(a[1])) },
	"until":    func(r *run, a []reflect.Value) error { return r.numbers(0, a[0].Int(), 1) },
	"untilStep": func(r *run, a []reflect.Value) error {
		return r.numbers(a[0].Int(), a[1].Int(), a[2].Int())
	},
	"seq":                 seqBound,
	"printf":              printfBound,
	"uniq":                uniqBound,
	"mustUniq":            uniqBound,
	"without":             withoutBound,
	"mustWithout":         withoutBound,
	"regexReplaceAll":     patternBound,
	"mustRegexReplaceAll": patternBound, "regexReplaceAllLiteral": patternBound, "mustRegexReplaceAllLiteral": patternBound,
}

// times refuses n texts of so many bytes.
func (r *run) times(n int64, bytes int) error {
	if n > 0 && bytes > 0 && n > int64(r.limits.Bytes/bytes) {
		return r.tooLarge()
	}
	if n < 0 {
		return fmt.Errorf("%d is less than nothing", n)
	}
	return nil
}

// numbers refuses too many numbers from one to the other.
func (r *run) numbers(from, to, step int64) error {
	if step == 0 {
		step = 1
	}
	if n := (float64(to) - float64(from)) / float64(step); n > float64(r.limits.Steps) || n < -float64(r.limits.Steps) {
		return &limitError{fmt.Sprintf("a list in it has more than %d numbers", r.limits.Steps)}
	}
	return nil
}

func seqBound(r *run, a []reflect.Value) error {
	params := a[0]
	switch params.Len() {
	case 1:
		return r.numbers(1, params.Index(0).Int(), 1)
	case 2:
		return r.numbers(params.Index(0).Int(), params.Index(1).Int(), 1)
	case 3:
		return r.numbers(params.Index(0).Int(), params.Index(2).Int(), params.Index(1).Int())
	}
	return nil
}

// widths are those of the verbs of a format; a star takes it from an argument, which package
// fmt bounds.
var widths = regexp.MustCompile(`%[-+# 0]*(\*|[0-9]*)(?:\.(\*|[0-9]*))?(?:\[[0-9]*\])?(p?)`)

func printfBound(r *run, a []reflect.Value) error {
	total := 0
	for _, m := range widths.FindAllStringSubmatch(a[0].String(), -1) {
		if m[3] == "p" {
			return errors.New("%p prints an address, which is another one each time")
		}
		for _, w := range m[1:3] {
			n := 0
			if w == "*" {
				n = 1_000_000
			}
			for _, digit := range w {
				if digit != '*' {
					n = min(10*n+int(digit-'0'), 1_000_000) // fmt goes no further
				}
			}
			if total += n; total > r.limits.Bytes {
				return r.tooLarge()
			}
		}
	}
	return nil
}

// comparisons bounds functions that compare all elements with each other.
const comparisons = 25_000_000

func uniqBound(_ *run, a []reflect.Value) error { return compared(elements(a[0]), elements(a[0])) }

func withoutBound(_ *run, a []reflect.Value) error { return compared(elements(a[0]), elements(a[1])) }

func compared(n, m int) error {
	if n > 0 && m > comparisons/n {
		return &limitError{"the lists are too long to compare all of their elements"}
	}
	return nil
}

// patternBound is for (pattern, text, replacement): each $ of the replacement stands for a part
// of a match.
func patternBound(r *run, a []reflect.Value) error {
	text, with := a[1].Len(), a[2].String()
	if err := r.times(int64(text+1), len(with)); err != nil {
		return err
	}
	return r.times(int64(strings.Count(with, "$")), text)
}

// elements is the length of a list, 0 of anything else.
func elements(v reflect.Value) int {
	for v.Kind() == reflect.Interface && !v.IsNil() {
		v = v.Elem()
	}
	if k := v.Kind(); k == reflect.Slice || k == reflect.Array {
		return v.Len()
	}
	return 0
}

// sortedKeys and sortedValues replace sprig's, whose order is another one each time.
func sortedKeys(dicts ...map[string]any) []string {
	out := []string{}
	for _, d := range dicts {
		out = append(out, slices.Sorted(maps.Keys(d))...)
	}
	return out
}

func sortedValues(dict map[string]any) []any {
	out := []any{}
	for _, key := range slices.Sorted(maps.Keys(dict)) {
		out = append(out, dict[key])
	}
	return out
}
