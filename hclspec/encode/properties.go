package encode

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf16"

	"github.com/zclconf/go-cty/cty"
)

// Properties writes key=value for each attribute, by key, as java.util.Properties loads it. It is
// ASCII, so that it means the same whether it is read as ISO 8859-1 or as UTF-8.
func Properties(v cty.Value) (string, error) {
	attrs, err := object(v)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, key := range sortedKeys(attrs) {
		if key == "" {
			return "", at(below("", key), errors.New("a key cannot be empty"))
		}
		value, err := text(attrs[key])
		if err != nil {
			return "", at(below("", key), err)
		}
		escapeProperty(&b, key, true)
		b.WriteByte('=')
		escapeProperty(&b, value, false)
		b.WriteByte('\n')
	}
	return b.String(), nil
}

// escapeProperty writes a key or a value. Blanks count within a key, and at the beginning of a
// value.
func escapeProperty(b *strings.Builder, s string, key bool) {
	leading := true
	for _, r := range s {
		switch {
		case r == '\\':
			b.WriteString(`\\`)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\f':
			b.WriteString(`\f`)
		case r == ' ' && (key || leading), key && strings.ContainsRune("=:#!", r):
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r > 0x7e:
			for _, unit := range utf16.Encode([]rune{r}) {
				fmt.Fprintf(b, `\u%04x`, unit)
			}
		default:
			b.WriteRune(r)
		}
		leading = leading && r == ' '
	}
}
