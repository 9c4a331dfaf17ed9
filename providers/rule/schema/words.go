package schema

import (
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// message says what must hold and, unless the value is hidden, what is there instead.
func (r reporter) message(e *jsonschema.ValidationError) string {
	switch k := e.ErrorKind.(type) {
	case *kind.Type:
		return r.but("must be "+oneOf(k.Want, withArticle), "is "+withArticle(k.Got))
	case *kind.Enum:
		return r.but("must be "+oneOf(k.Want, show), "is "+show(k.Got))
	case *kind.Const:
		return r.but("must be "+show(k.Want), "is "+show(k.Got))
	case *kind.Format:
		if k.Want == "regex" {
			return r.but("must be an RE2 regular expression (no look-around, no back-references)", "is "+show(k.Got))
		}
		return r.but("must be a valid "+k.Want, "is "+show(k.Got))
	case *kind.Pattern:
		return r.but("must match the pattern "+k.Want, "is "+show(k.Got))
	case *kind.FalseSchema:
		return "may not be there"
	case *kind.Not:
		return "must not match the schema under not"
	case *kind.AnyOf:
		return "must match at least one alternative of anyOf" + r.alternatives(e)
	case *kind.OneOf:
		if len(k.Subschemas) > 1 {
			return fmt.Sprintf("must match exactly one alternative of oneOf, but matches numbers %d and %d", k.Subschemas[0]+1, k.Subschemas[1]+1)
		}
		return "must match one alternative of oneOf" + r.alternatives(e)
	}
	if m := r.properties(e.ErrorKind); m != "" {
		return m
	}
	if m := r.amount(e.ErrorKind); m != "" {
		return m
	}
	return fmt.Sprintf("does not satisfy %q", strings.Join(e.ErrorKind.KeywordPath(), "/"))
}

// properties is message for the keywords about what an object may and must have.
func (r reporter) properties(k jsonschema.ErrorKind) string {
	switch k := k.(type) {
	case *kind.Required:
		return "must have " + quoted(k.Missing)
	case *kind.DependentRequired:
		return fmt.Sprintf("must have %s where it has %q", quoted(k.Missing), k.Prop)
	case *kind.Dependency:
		return fmt.Sprintf("must have %s where it has %q", quoted(k.Missing), k.Prop)
	case *kind.AdditionalProperties:
		return r.but("may have only properties that the schema allows", "has "+quoted(slices.Sorted(slices.Values(k.Properties))))
	case *kind.AdditionalItems:
		return r.but("may have only items that the schema allows", "has "+plural(k.Count, "further item"))
	case *kind.PropertyNames:
		return r.but("may have only properties whose names the schema allows", fmt.Sprintf("has %q", k.Property))
	case *kind.MinProperties:
		return r.but("must have at least "+plural(k.Want, "property"), fmt.Sprintf("has %d", k.Got))
	case *kind.MaxProperties:
		return r.but("must have at most "+plural(k.Want, "property"), fmt.Sprintf("has %d", k.Got))
	}
	return ""
}

// amount is message for the keywords that compare numbers and lengths.
func (r reporter) amount(k jsonschema.ErrorKind) string {
	switch k := k.(type) {
	case *kind.Minimum:
		return r.but("must be at least "+show(k.Want), "is "+show(k.Got))
	case *kind.Maximum:
		return r.but("must be at most "+show(k.Want), "is "+show(k.Got))
	case *kind.ExclusiveMinimum:
		return r.but("must be more than "+show(k.Want), "is "+show(k.Got))
	case *kind.ExclusiveMaximum:
		return r.but("must be less than "+show(k.Want), "is "+show(k.Got))
	case *kind.MultipleOf:
		return r.but("must be a multiple of "+show(k.Want), "is "+show(k.Got))
	case *kind.MinLength:
		return r.but("must have at least "+plural(k.Want, "character"), fmt.Sprintf("has %d", k.Got))
	case *kind.MaxLength:
		return r.but("must have at most "+plural(k.Want, "character"), fmt.Sprintf("has %d", k.Got))
	case *kind.MinItems:
		return r.but("must have at least "+plural(k.Want, "item"), fmt.Sprintf("has %d", k.Got))
	case *kind.MaxItems:
		return r.but("must have at most "+plural(k.Want, "item"), fmt.Sprintf("has %d", k.Got))
	case *kind.UniqueItems:
		return r.but("may not hold an item twice", fmt.Sprintf("[%d] and [%d] are equal", k.Duplicates[0], k.Duplicates[1]))
	case *kind.Contains:
		return "must hold an item that matches the schema under contains"
	case *kind.MinContains:
		return r.but(fmt.Sprintf("must hold at least %s matching the schema under contains", plural(k.Want, "item")), fmt.Sprintf("holds %d", len(k.Got)))
	case *kind.MaxContains:
		return r.but(fmt.Sprintf("must hold at most %s matching the schema under contains", plural(k.Want, "item")), fmt.Sprintf("holds %d", len(k.Got)))
	}
	return ""
}

// but adds what is there instead, which shows something of the value.
func (r reporter) but(want, is string) string {
	if r.hide {
		return want
	}
	return want + ", but " + is
}

// alternatives says why each alternative does not match.
func (r reporter) alternatives(e *jsonschema.ValidationError) string {
	if r.hide {
		return ""
	}
	var words []string
	for i, cause := range e.Causes {
		var why []string
		for _, f := range findings(cause, r) {
			why = append(why, strings.TrimPrefix(f.Path+" ", " ")+strings.TrimSuffix(f.Message, "."))
		}
		words = append(words, fmt.Sprintf("(%d) %s", i+1, strings.Join(why, " and ")))
	}
	return ": " + strings.Join(words, "; ")
}

func oneOf[T any](all []T, word func(T) string) string { return joined(all, word, " or ") }

func quoted(names []string) string { return joined(names, strconv.Quote, " and ") }

func joined[T any](all []T, word func(T) string, last string) string {
	var out strings.Builder
	for i, v := range all {
		switch {
		case i > 0 && i == len(all)-1:
			out.WriteString(last)
		case i > 0:
			out.WriteString(", ")
		}
		out.WriteString(word(v))
	}
	return out.String()
}

func withArticle(typ string) string {
	switch typ {
	case "null":
		return typ
	case "object", "array", "integer":
		return "an " + typ
	}
	return "a " + typ
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	if stem, ok := strings.CutSuffix(what, "y"); ok {
		return fmt.Sprintf("%d %sies", n, stem)
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// longest is how much of a value a message shows.
const longest = 80

// show writes a value as JSON, cut where it is long.
func show(v any) string {
	if r, ok := v.(*big.Rat); ok {
		return decimal(r)
	}
	var out strings.Builder
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Sprint(v)
	}
	text := []rune(strings.TrimSuffix(out.String(), "\n"))
	if len(text) > longest {
		return string(text[:longest]) + "..."
	}
	return string(text)
}

// decimal writes a fraction in full where that is short.
func decimal(r *big.Rat) string {
	if r.IsInt() && len(r.Num().String()) <= longest {
		return r.Num().String()
	}
	if n, exact := r.FloatPrec(); exact && n <= longest {
		return r.FloatString(n)
	}
	f, _ := r.Float64()
	return strconv.FormatFloat(f, 'g', -1, 64)
}
