package encode

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

var tomlBare = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// TOML writes an object as a document of TOML 1.0: of each table the plain keys first, then the
// tables below it, all by name. Lists of objects become arrays of tables. Dates are texts.
func TOML(v cty.Value) (string, error) {
	attrs, err := object(v)
	if err != nil {
		return "", err
	}
	w := &tomlWriter{}
	if err := w.table("", attrs); err != nil {
		return "", err
	}
	return w.String(), nil
}

type tomlWriter struct{ strings.Builder }

// table writes the keys of a table, whose header is written already.
func (w *tomlWriter) table(path string, attrs map[string]cty.Value) error {
	names := sortedKeys(attrs)
	n := 0
	for _, name := range names {
		if keyed(attrs[name]) || tables(attrs[name]) {
			names[n] = name
			n++
			continue
		}
		w.WriteString(tomlKey(name) + " = ")
		if err := w.value(below(path, name), attrs[name]); err != nil {
			return err
		}
		w.WriteByte('\n')
	}
	for _, name := range names[:n] {
		key := tomlKey(name)
		if path != "" {
			key = path + "." + key
		}
		if keyed(attrs[name]) {
			if err := w.header("["+key+"]", key, attrs[name]); err != nil {
				return err
			}
			continue
		}
		for _, element := range attrs[name].AsValueSlice() {
			if err := w.header("[["+key+"]]", key, element); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *tomlWriter) header(text, path string, v cty.Value) error {
	attrs := v.AsValueMap()
	if w.Len() > 0 {
		w.WriteByte('\n')
	}
	w.WriteString(text + "\n")
	return w.table(path, attrs)
}

// tables reports whether a value is written as an array of tables.
func tables(v cty.Value) bool {
	if !listed(v) || v.LengthInt() == 0 {
		return false
	}
	for _, e := range v.AsValueSlice() {
		if !keyed(e) {
			return false
		}
	}
	return true
}

// value writes a value within a line.
func (w *tomlWriter) value(path string, v cty.Value) error {
	switch {
	case v.IsNull():
		return at(path, errors.New("it is null, which TOML does not have; leave it out, or give it a value"))
	case v.Type() == cty.String:
		tomlString(&w.Builder, v.AsString())
		return nil
	case v.Type() == cty.Number:
		text, err := tomlNumber(v)
		if err != nil {
			return at(path, err)
		}
		w.WriteString(text)
		return nil
	case v.Type() == cty.Bool:
		w.WriteString(strconv.FormatBool(v.True()))
		return nil
	case listed(v):
		w.WriteByte('[')
		for i, e := range v.AsValueSlice() {
			if i > 0 {
				w.WriteString(", ")
			}
			if err := w.value(fmt.Sprintf("%s[%d]", path, i), e); err != nil {
				return err
			}
		}
		w.WriteByte(']')
		return nil
	case keyed(v):
		attrs := v.AsValueMap()
		w.WriteByte('{')
		for i, name := range sortedKeys(attrs) {
			if i > 0 {
				w.WriteByte(',')
			}
			w.WriteString(" " + tomlKey(name) + " = ")
			if err := w.value(below(path, name), attrs[name]); err != nil {
				return err
			}
		}
		if len(attrs) > 0 {
			w.WriteByte(' ')
		}
		w.WriteByte('}')
		return nil
	}
	return at(path, fmt.Errorf("a value of type %s cannot be written", v.Type().FriendlyName()))
}

func tomlNumber(v cty.Value) (string, error) {
	f := v.AsBigFloat()
	text, err := number(f)
	if err != nil {
		return "", err
	}
	if strings.ContainsAny(text, ".") {
		return text, nil
	}
	if _, err := strconv.ParseInt(text, 10, 64); err != nil {
		return "", errors.New("it is an integer of more than 64 bits, which TOML does not have; write it as a text")
	}
	return text, nil
}

func tomlKey(key string) string {
	if tomlBare.MatchString(key) {
		return key
	}
	var b strings.Builder
	tomlString(&b, key)
	return b.String()
}

func tomlString(b *strings.Builder, s string) {
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
}
