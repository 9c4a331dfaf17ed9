package process

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"tidegate/providers"
)

// plainWord is an argument that needs no quotes to be read as one.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9_@%+=:,./{}-]+$`)

// maxDisplay is how long a command is shown.
const maxDisplay = 200

// Display returns a command on one line for plans and messages, arguments quoted where they
// need it, cut at 200 bytes.
func Display(args []string) string {
	words := make([]string, len(args))
	for i, a := range args {
		words[i] = a
		if !plainWord.MatchString(a) {
			words[i] = strconv.Quote(a)
		}
		if len(a) > maxDisplay {
			words = words[:i+1]
			break
		}
	}
	s := strings.Join(words, " ")
	if len(s) <= maxDisplay {
		return s
	}
	s = s[:maxDisplay]
	for !utf8.ValidString(s) {
		s = s[:len(s)-1]
	}
	return s + "..."
}

// DisplayIn is Display for a block: arguments that hold something sensitive are not shown.
func DisplayIn(args []string, env providers.Env) string {
	if !env.IsSensitive("command") {
		return Display(args)
	}
	return Display(args[:1]) + " (sensitive arguments)"
}

// Redactor returns a function that hides the given secrets, and then does what next does
// (nil for nothing). Secrets of less than four bytes are left alone: hiding every "a" would
// tell more than it hides.
func Redactor(next func(string) string, secrets ...string) func(string) string {
	secrets = slices.Clone(secrets)
	slices.SortFunc(secrets, func(a, b string) int { return len(b) - len(a) }) // the longest first
	return func(s string) string {
		for _, secret := range secrets {
			if len(secret) >= 4 {
				s = strings.ReplaceAll(s, secret, "(sensitive value)")
			}
		}
		if next != nil {
			s = next(s)
		}
		return s
	}
}

// Secrets returns what of a block's command, env and stdin holds something sensitive: which
// part of an attribute does is not known, so all of it.
func Secrets(command []string, vars map[string]string, stdin string, env providers.Env) []string {
	var out []string
	if env.IsSensitive("command") {
		out = append(out, command[1:]...)
	}
	if env.IsSensitive("env") {
		for _, v := range vars {
			out = append(out, v)
		}
	}
	if env.IsSensitive("stdin") {
		out = append(out, stdin, strings.TrimSpace(stdin))
	}
	return out
}
