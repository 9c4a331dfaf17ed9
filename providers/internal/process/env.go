package process

import (
	"maps"
	"runtime"
	"slices"
	"strings"
)

// passed are the variables of our own environment that a program gets. Everything else,
// tokens above all, it gets only by name.
var passed = []string{"PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR"}

// passedWindows are those without which hardly a program starts there.
var passedWindows = []string{"SYSTEMROOT", "COMSPEC", "PATHEXT", "TEMP", "TMP", "USERPROFILE"}

// DefaultPath is the PATH of a program where our own environment has none.
const DefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Environment returns what a program gets: the allowed part of environ, and over it the
// given variables.
func Environment(environ []string, given ...map[string]string) []string {
	env := map[string]string{}
	if runtime.GOOS != "windows" {
		env["PATH"] = DefaultPath
	}
	for _, kv := range environ {
		if k, v, ok := strings.Cut(kv, "="); ok && allowed(k) {
			env[k] = v
		}
	}
	for _, g := range given {
		maps.Copy(env, g)
	}
	out := make([]string, 0, len(env))
	for _, k := range slices.Sorted(maps.Keys(env)) {
		out = append(out, k+"="+env[k])
	}
	return out
}

func allowed(name string) bool {
	if runtime.GOOS == "windows" {
		name = strings.ToUpper(name)
		return slices.Contains(passed, name) || slices.Contains(passedWindows, name)
	}
	return slices.Contains(passed, name)
}
