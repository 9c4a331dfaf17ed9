package exec

import (
	"errors"
	"slices"

	"tidegate/providers"
	"tidegate/providers/internal/process"
)

// Config is the configuration of the sink.
type Config struct {
	Command      []string           `hcl:"command" doc:"Program and arguments, as a list. No shell is involved: for one, call it, as in [\"sh\", \"-c\", \"...\"]."`
	Env          map[string]string  `hcl:"env,optional" doc:"Variables of its environment, beside PATH, HOME, LANG, LC_ALL, TZ, TMPDIR and those of the delivery. Nothing else is handed on."`
	Dir          string             `hcl:"dir,optional" doc:"Working directory. Left out, that of the root module; a relative one is below the module's directory."`
	Stdin        *string            `hcl:"stdin,optional" doc:"Text on its standard input. Left out, there is none (/dev/null)."`
	Timeout      providers.Duration `hcl:"timeout,optional" doc:"Longest time it may take. Then it and its process group get SIGTERM, and after 5 seconds SIGKILL."`
	SuccessCodes []int              `hcl:"success_codes,optional" doc:"Exit statuses that acknowledge the delivery."`
}

func defaults() *Config { return &Config{Timeout: "1m", SuccessCodes: []int{0}} }

// Kind declares the sink.
func Kind() *providers.Kind {
	return providers.SinkKind("exec", providers.Doc{
		Summary: "Runs a program when its command or input changed or a trigger fired.",
		Description: `
The program runs as an argument vector and never through a shell, in a session of its own without a
terminal. What is in an argument stays one argument, whatever characters it holds; where values from
outside become arguments, a ` + "`--`" + ` before them keeps a program from taking them for options.

The delivery is acknowledged when it exits with one of ` + "`success_codes`" + `. Any other status, a signal, or
running longer than ` + "`timeout`" + ` is a failure: it is tried again, with the same delivery id, until it succeeds or
a newer change takes its place. So it must bear being run twice for one change. Its output is not kept; an
error shows the last 2 KiB of its standard error, control characters escaped and known secrets hidden.
What it leaves running in its process group when it ends is killed: start daemons through the service manager.

It runs on the first apply (unless ` + "`on_create = \"skip\"`" + `), when ` + "`command`, `env`, `dir` or `stdin`" + `
changed, and when a trigger fired.

For each delivery it gets in its environment:

- ` + "`TIDEGATE_DELIVERY_ID`" + `: stable until the delivery succeeds or is superseded
- ` + "`TIDEGATE_ADDRESS`" + `: of this sink
- ` + "`TIDEGATE_CHANGES`" + `: a JSON list of ` + "`{address, path, action, before, after}`" + ` since the last
  acknowledged delivery, secrets hidden; the last entries are left out where it would exceed 64 KiB
- ` + "`TIDEGATE_CHANGES_OMITTED`" + `: how many entries were left out
- ` + "`TIDEGATE_CHANGES_FILE`" + `: a file with the whole list, readable by this user alone and removed afterwards.`,
		Example: `
sink "file" "app" {
  path    = "/etc/myapp/config.json"
  content = jsonencode({ workers = 4 })
}

sink "exec" "reload" {
  command       = ["systemctl", "reload", "myapp"]
  timeout       = "30s"
  success_codes = [0]
  triggers      = [sink.file.app]
}`,
	}, defaults, build)
}

func build(c *Config, env providers.Env) (providers.Sink, error) {
	if err := errors.Join(process.Check(c.Command, c.Env, "TIDEGATE_"), checkCodes(c.SuccessCodes)); err != nil {
		return nil, err
	}
	s := &sink{
		target: process.DisplayIn(c.Command, env), fingerprint: fingerprint(c), success: c.SuccessCodes, left: leftMark(env),
		command: process.Command{
			Args: c.Command, Dir: process.Dir(c.Dir, env),
			Env: process.Environment(env.Environ, c.Env), Timeout: c.Timeout.Value(),
		},
	}
	stdin := ""
	if c.Stdin != nil {
		stdin = *c.Stdin
		s.command.Stdin = []byte(stdin)
	}
	s.secrets = process.Secrets(c.Command, c.Env, stdin, env)
	return s, nil
}

func checkCodes(codes []int) error {
	if len(codes) == 0 {
		return providers.AttributeErrorf("success_codes", "is empty, so that no run could succeed")
	}
	if i := slices.IndexFunc(codes, func(n int) bool { return n < 0 || n > 255 }); i >= 0 {
		return providers.AttributeErrorf("success_codes", "%d is no exit status; they go from 0 to 255", codes[i])
	}
	return nil
}
