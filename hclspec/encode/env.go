package encode

import (
	"errors"
	"regexp"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

var (
	envName  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	envPlain = regexp.MustCompile(`^[A-Za-z0-9_./:@%+,=-]*$`)
	envQuote = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "`", "\\`", "\n", `\n`, "\r", `\r`, "\t", `\t`)
)

// Env writes NAME=value for each attribute, by name. Values are quoted where they need it: in
// single quotes, which every reader takes as they are, or in double quotes if there is a single
// quote or a carriage return inside.
func Env(v cty.Value) (string, error) {
	attrs, err := object(v)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, name := range sortedKeys(attrs) {
		if !envName.MatchString(name) {
			return "", at(below("", name), errors.New("it cannot be the name of a variable: letters, digits and underscores, not a digit first"))
		}
		value, err := text(attrs[name])
		if err == nil && strings.ContainsRune(value, 0) {
			err = errors.New("it holds a NUL character, which no variable can")
		}
		if err != nil {
			return "", at(name, err)
		}
		switch {
		case envPlain.MatchString(value):
		case !strings.ContainsAny(value, "'\r"):
			value = "'" + value + "'"
		default:
			value = `"` + envQuote.Replace(value) + `"`
		}
		b.WriteString(name + "=" + value + "\n")
	}
	return b.String(), nil
}
