package process

import (
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"tidegate/providers"
)

// Check finds all mistakes in the attributes command and env of a block. No variable whose
// name begins with reserved may be given, if reserved is not empty.
func Check(command []string, env map[string]string, reserved string) error {
	return errors.Join(checkCommand(command), checkEnv(env, reserved))
}

func checkCommand(command []string) error {
	if len(command) == 0 || strings.TrimSpace(command[0]) == "" {
		return providers.AttributeErrorf("command", "needs at least the program, as in [\"systemctl\", \"reload\", \"myapp\"]")
	}
	if words := strings.Fields(command[0]); len(command) == 1 && len(words) > 1 && !strings.Contains(words[0], "/") {
		return providers.AttributeErrorf("command", "is a list of the program and its arguments and no shell line: write [%s]", quoted(words))
	}
	for i, a := range command {
		if strings.ContainsRune(a, 0) {
			return providers.AttributeErrorf("command", "argument %d contains a NUL character, which no argument can", i)
		}
	}
	return nil
}

func checkEnv(env map[string]string, reserved string) error {
	var wrong []error
	for _, name := range slices.Sorted(maps.Keys(env)) {
		switch {
		case name == "" || strings.ContainsAny(name, "=\x00"):
			wrong = append(wrong, providers.AttributeErrorf("env", "%q is no name of a variable", name))
		case strings.ContainsRune(env[name], 0):
			wrong = append(wrong, providers.AttributeErrorf("env", "the value of %s contains a NUL character, which no variable can", name))
		case reserved != "" && strings.HasPrefix(strings.ToUpper(name), reserved):
			wrong = append(wrong, providers.AttributeErrorf("env", "%s cannot be set: names that begin with %s are set for each delivery", name, reserved))
		}
	}
	return errors.Join(wrong...)
}

func quoted(words []string) string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = strconv.Quote(w)
	}
	return strings.Join(out, ", ")
}

// Dir returns the absolute working directory of a block's program: dir below the module's
// directory, or the root module's where none is given.
func Dir(dir string, env providers.Env) string {
	switch {
	case dir == "":
		return env.RootDir
	case filepath.IsAbs(dir):
		return filepath.Clean(dir)
	}
	return filepath.Join(env.ModuleDir, dir)
}
