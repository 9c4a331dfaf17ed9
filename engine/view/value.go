package view

import (
	"math/big"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"tidegate/engine/plan"
	"tidegate/hclspec/mark"
)

// What stands in place of values that cannot be shown.
const (
	unknown = "(known after apply)"
	nothing = "(nothing)"
	filled  = "(filled at delivery)"
)

// afterOf writes what a place will hold, and says where that does not count.
func afterOf(ch plan.ValueChange) string {
	v := ch.After.Value
	switch {
	case !ch.Volatile:
		return inline(v)
	case v != cty.NilVal && !v.IsWhollyKnown():
		return inlineWith(v, filled)
	}
	return inline(v) + volatileNote(ch)
}

// volatileNote says of a place that its detector ignores it.
func volatileNote(ch plan.ValueChange) string {
	if ch.Volatile {
		return " (volatile: ignored)"
	}
	return ""
}

// inlineLimit bounds a value within a line, in columns.
const inlineLimit = 160

// inline writes a value on one line.
func inline(v cty.Value) string { return inlineWith(v, unknown) }

// inlineWith writes a value with a word in place of what is unknown.
func inlineWith(v cty.Value, word string) string {
	var b strings.Builder
	writeInline(&b, v, word)
	return cut(b.String(), inlineLimit)
}

func writeInline(b *strings.Builder, v cty.Value, word string) {
	if b.Len() > 8*inlineLimit { // it will be cut
		return
	}
	if v != cty.NilVal && !v.IsMarked() && !v.IsKnown() {
		b.WriteString(word)
		return
	}
	if text, ok := scalar(v); ok {
		b.WriteString(text)
		return
	}
	ty := v.Type()
	named := ty.IsObjectType() || ty.IsMapType()
	opening, closing := "[", "]"
	if named {
		opening, closing = "{ ", " }"
	}
	if v.LengthInt() == 0 {
		b.WriteString(strings.TrimSpace(opening) + strings.TrimSpace(closing))
		return
	}
	b.WriteString(opening)
	first := true
	for it := v.ElementIterator(); it.Next(); first = false {
		k, e := it.Element()
		if !first {
			b.WriteString(", ")
		}
		if named {
			b.WriteString(key(k) + " = ")
		}
		writeInline(b, e, word)
	}
	b.WriteString(closing)
}

// scalar writes whatever has no parts to show; ok is false for collections.
func scalar(v cty.Value) (text string, ok bool) {
	switch {
	case v == cty.NilVal:
		return nothing, true
	case v.IsMarked():
		return mark.Redacted, true
	case !v.IsKnown():
		return unknown, true
	case v.IsNull():
		return "null", true
	}
	switch ty := v.Type(); {
	case ty == cty.String:
		return quoted(v.AsString()), true
	case ty == cty.Number:
		return number(v.AsBigFloat()), true
	case ty == cty.Bool:
		if v.True() {
			return "true", true
		}
		return "false", true
	case ty.IsCapsuleType():
		return "(" + ty.FriendlyName() + ")", true
	}
	return "", false
}

// number writes all digits, but not millions of them.
func number(f *big.Float) string {
	if exp := f.MantExp(nil); exp < -1000 || exp > 1000 {
		return f.Text('g', 20)
	}
	return f.Text('f', -1)
}

// quoted writes a text as the language does, on one line.
func quoted(s string) string {
	s = strings.ReplaceAll(s, `\`, `\\`)
	s = strings.ReplaceAll(s, `"`, `\"`)
	s = strings.ReplaceAll(s, "${", "$${")
	s = strings.ReplaceAll(s, "%{", "%%{")
	return `"` + Escape(s) + `"`
}

func key(k cty.Value) string {
	k, _ = k.Unmark()
	name := k.AsString()
	if identifier(name) {
		return name
	}
	return quoted(name)
}

func identifier(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || c != '-' && (c < '0' || c > '9')) {
			return false
		}
	}
	return s != ""
}
