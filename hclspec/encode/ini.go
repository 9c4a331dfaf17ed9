package encode

import (
	"errors"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

var iniQuote = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`, "\t", `\t`)

// INI writes the attributes that are texts, numbers and bools as key = value, then those that
// are objects as sections. Values are quoted only where blanks at their ends, a line break or a
// quote at the beginning would not be read as they are.
func INI(v cty.Value) (string, error) {
	attrs, err := object(v)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	sections := sortedKeys(attrs)
	n := 0
	for _, name := range sections {
		if keyed(attrs[name]) {
			sections[n] = name
			n++
			continue
		}
		if err := iniValue(&b, "", name, attrs[name]); err != nil {
			return "", err
		}
	}
	for _, name := range sections[:n] {
		if name == "" || name != strings.Trim(name, " \t") || strings.ContainsAny(name, "]\r\n\x00") {
			return "", at(below("", name), errors.New("it cannot be the name of a section: no bracket, line break or blanks at its ends"))
		}
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		b.WriteString("[" + name + "]\n")
		keys := attrs[name].AsValueMap()
		for _, key := range sortedKeys(keys) {
			if err := iniValue(&b, below("", name), key, keys[key]); err != nil {
				return "", err
			}
		}
	}
	return b.String(), nil
}

func iniValue(b *strings.Builder, path, key string, v cty.Value) error {
	path = below(path, key)
	if key == "" || key != strings.Trim(key, " \t") || strings.ContainsAny(key, "=\r\n\x00") || strings.ContainsAny(key[:1], "[#;") {
		return at(path, errors.New("it cannot be a key: no equals sign, line break or blanks at its ends, and no [, # or ; first"))
	}
	value, err := text(v)
	if err == nil && strings.ContainsRune(value, 0) {
		err = errors.New("it holds a NUL character")
	}
	if err != nil {
		return at(path, err)
	}
	if value != strings.Trim(value, " \t") || strings.ContainsAny(value, "\r\n") || strings.HasPrefix(value, `"`) {
		value = `"` + iniQuote.Replace(value) + `"`
	}
	b.WriteString(strings.TrimRight(key+" = "+value, " ") + "\n")
	return nil
}
