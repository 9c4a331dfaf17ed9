// Package exec is the source "exec": the standard output of a program.
//
// What happens when this fails? A program that does not exit with status 0 in time, or that
// writes more than max_bytes, is a failed look: whatever it wrote is thrown away, the error
// shows the end of its standard error (never of its standard output, which is the value),
// and the accepted value stays in use. Nothing of its process group is left running.
package exec

import (
	"context"
	"errors"
	"fmt"

	"tidegate/providers"
	"tidegate/providers/internal/process"
)

// Config is the configuration of the source.
type Config struct {
	Command []string           `hcl:"command" doc:"Program and arguments, as a list. No shell is involved: for one, call it, as in [\"sh\", \"-c\", \"...\"]."`
	Env     map[string]string  `hcl:"env,optional" doc:"Variables of its environment, beside PATH, HOME, LANG, LC_ALL, TZ and TMPDIR. Nothing else is handed on."`
	Dir     string             `hcl:"dir,optional" doc:"Working directory. Left out, that of the root module; a relative one is below the module's directory."`
	Stdin   *string            `hcl:"stdin,optional" doc:"Text on its standard input. Left out, there is none (/dev/null)."`
	Timeout providers.Duration `hcl:"timeout,optional" doc:"Longest time it may take. Then it and its process group get SIGTERM, and after 5 seconds SIGKILL."`
}

// Kind declares the source.
func Kind() *providers.Kind {
	return providers.SourceKind("exec", providers.Doc{
		Summary: "Runs a program and takes its standard output as the value.",
		Description: `
The program runs at each look, as an argument vector and never through a shell, in a session of its own
without a terminal. It must exit with status 0; its standard output as a whole is the value, and ` + "`decode`" + `
says in which format.

Any other exit status, a signal, running longer than ` + "`timeout`" + `, or more output than ` + "`max_bytes`" + ` is a
failed look: the output is discarded and the accepted value stays in use. The error shows the last 2 KiB
of its standard error, control characters escaped and the values of sensitive attributes hidden; so a
program should not write secrets of its own there. Its standard output is never shown in errors.

What the program leaves running in its process group when it ends is killed.`,
		Example: `
source "exec" "flags" {
  command  = ["myapp-admin", "export-flags", "--format=json"]
  env      = { MYAPP_PROFILE = "readonly" }
  timeout  = "10s"
  decode   = "json"
  interval = "5m"
}`,
		Detectors: []string{"hash", "webhook"},
	}, func() *Config { return &Config{Timeout: "30s"} }, build)
}

type source struct {
	command  process.Command
	identity string
}

func build(c *Config, env providers.Env) (providers.Source, error) {
	if err := process.Check(c.Command, c.Env, ""); err != nil {
		return nil, err
	}
	s := &source{
		identity: process.DisplayIn(c.Command, env),
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
	s.command.Redact = process.Redactor(nil, process.Secrets(c.Command, c.Env, stdin, env)...)
	return s, nil
}

// Identity shows the command.
func (s *source) Identity() string { return s.identity }

// Fetch runs the program once.
func (s *source) Fetch(ctx context.Context, _ string) (providers.Snapshot, error) {
	command := s.command
	command.MaxStdout = providers.FetchLimit(ctx)
	result, err := process.Run(ctx, command)
	switch {
	case errors.Is(err, process.ErrOutput):
		return providers.Snapshot{}, fmt.Errorf("%w: %w", err, providers.TooLargeError(command.MaxStdout))
	case err != nil:
		return providers.Snapshot{}, err
	case result.ExitCode != 0:
		return providers.Snapshot{}, command.Failed(result)
	}
	return providers.Snapshot{Data: result.Stdout, Private: true}, nil
}
