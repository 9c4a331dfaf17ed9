package view

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"tidegate/hclspec/mark"
)

// Value returns a value as an expression of the language over as many lines as it takes, in
// the manner of `terraform console`. Sensitive and unknown parts are words in parentheses.
func Value(v cty.Value) string {
	var b strings.Builder
	writeBlock(&b, v, 0, true)
	return b.String()
}

func writeBlock(b *strings.Builder, v cty.Value, indent int, top bool) {
	if v == cty.NilVal {
		b.WriteString("null")
		return
	}
	if top && v.Type() == cty.String && !v.IsMarked() && v.IsKnown() && !v.IsNull() && heredoc(v.AsString()) {
		writeHeredoc(b, v.AsString())
		return
	}
	if text, ok := scalar(v); ok {
		b.WriteString(typedNull(v, text, top))
		return
	}
	opening, closing, named := brackets(v.Type())
	b.WriteString(opening)
	if v.LengthInt() > 0 {
		pad := "\n" + strings.Repeat(" ", indent+2)
		for it := v.ElementIterator(); it.Next(); {
			k, e := it.Element()
			b.WriteString(pad)
			if named {
				k, _ = k.Unmark()
				b.WriteString(quoted(k.AsString()) + " = ")
			}
			writeBlock(b, e, indent+2, false)
			if !named {
				b.WriteByte(',')
			}
		}
		b.WriteString("\n" + strings.Repeat(" ", indent))
	}
	b.WriteString(closing)
}

func brackets(ty cty.Type) (opening, closing string, named bool) {
	switch {
	case ty.IsListType():
		return "tolist([", "])", false
	case ty.IsSetType():
		return "toset([", "])", false
	case ty.IsMapType():
		return "tomap({", "})", true
	case ty.IsObjectType():
		return "{", "}", true
	}
	return "[", "]", false
}

// typedNull tells a null string from a null of no type, as it decides how expressions behave.
func typedNull(v cty.Value, text string, top bool) string {
	if !top || text != "null" || v.IsMarked() {
		return text
	}
	switch v.Type() {
	case cty.String:
		return "tostring(null)"
	case cty.Number:
		return "tonumber(null)"
	case cty.Bool:
		return "tobool(null)"
	}
	return text
}

// heredoc reports whether a text reads better over several lines. Only one that ends with a
// newline is the same text as a heredoc.
func heredoc(s string) bool {
	body, ok := strings.CutSuffix(s, "\n")
	return ok && strings.Contains(body, "\n") && escape(s, "\n\t") == s
}

func writeHeredoc(b *strings.Builder, s string) {
	delimiter := "EOT"
	for i := 0; strings.Contains(s, delimiter); i++ {
		delimiter = "EOT_" + strconv.Itoa(i)
	}
	s = strings.ReplaceAll(strings.ReplaceAll(s, "${", "$${"), "%{", "%%{")
	b.WriteString("<<" + delimiter + "\n" + s + delimiter)
}

// ValueJSON returns a value as one line of JSON. Sensitive and unknown parts are the texts
// that stand for them.
func ValueJSON(v cty.Value) ([]byte, error) {
	return marshal(jsonValue(v))
}

func jsonValue(v cty.Value) any {
	switch {
	case v == cty.NilVal:
		return nil
	case v.IsMarked():
		return mark.Redacted
	case !v.IsKnown():
		return unknown
	case v.IsNull():
		return nil
	}
	ty := v.Type()
	switch {
	case ty == cty.String:
		return v.AsString()
	case ty == cty.Bool:
		return v.True()
	case ty == cty.Number:
		return json.Number(number(v.AsBigFloat()))
	case ty.IsObjectType() || ty.IsMapType():
		out := make(map[string]any, v.LengthInt())
		for it := v.ElementIterator(); it.Next(); {
			k, e := it.Element()
			k, _ = k.Unmark()
			out[k.AsString()] = jsonValue(e)
		}
		return out
	case ty.IsCapsuleType():
		return "(" + ty.FriendlyName() + ")"
	}
	out := make([]any, 0, v.LengthInt())
	for it := v.ElementIterator(); it.Next(); {
		_, e := it.Element()
		out = append(out, jsonValue(e))
	}
	return out
}
