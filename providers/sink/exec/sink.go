package exec

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"tidegate/providers"
	"tidegate/providers/internal/process"
)

type sink struct {
	target      string
	fingerprint string
	success     []int
	command     process.Command
	secrets     []string
	left        string // begins the names of its files of changes
}

var (
	_ providers.Sink    = (*sink)(nil)
	_ providers.Sweeper = (*sink)(nil)
)

func (s *sink) Target() string      { return s.target }
func (s *sink) Fingerprint() string { return s.fingerprint }

// Read cannot know what a program did.
func (s *sink) Read(context.Context) (providers.Observed, error) {
	return providers.Observed{Opaque: true}, nil
}

// Delete is refused: what a program did cannot be undone by not running it.
func (s *sink) Delete(context.Context) error {
	return providers.Permanent(errors.New("a program that was run cannot be deleted; use on_destroy = \"keep\""))
}

// Write runs the program once.
func (s *sink) Write(ctx context.Context, d providers.Delivery) error {
	short, omitted, err := cut(d.Changes, maxChanges)
	if err != nil {
		return err
	}
	if held := s.former(); held != "" {
		return fmt.Errorf("the program of a delivery that was cut off still runs (it holds %s); it is not run beside itself", held)
	}
	file, err := s.writeChanges(d.Changes)
	if err != nil {
		return err
	}
	defer removeChanges(file)
	command := s.command
	command.Keep = file
	command.Redact = process.Redactor(d.Redact, s.secrets...)
	command.Env = append(slices.Clone(command.Env),
		"TIDEGATE_DELIVERY_ID="+d.ID,
		"TIDEGATE_ADDRESS="+d.Address,
		"TIDEGATE_CHANGES="+string(short),
		"TIDEGATE_CHANGES_OMITTED="+strconv.Itoa(omitted),
		"TIDEGATE_CHANGES_FILE="+file.Name(),
	)
	result, err := process.Run(ctx, command)
	switch {
	case errors.Is(err, process.ErrTimeout), err != nil && ctx.Err() != nil:
		return fmt.Errorf("%w (what it did until then is unknown)", err)
	case err != nil:
		return err
	case !slices.Contains(s.success, result.ExitCode):
		return command.Failed(result)
	}
	return nil
}

// fingerprint hashes what is handed to the program, as JSON with fixed names and sorted
// keys, which two different deliveries cannot share. dir stands as it is written, so that a
// checkout elsewhere is no change. Sensitive values are in it, so that a change of them is
// delivered; the engine keys the fingerprint of what is sensitive before it is stored.
func fingerprint(c *Config) string {
	vars := c.Env
	if len(vars) == 0 {
		vars = nil // no env and an empty one are the same
	}
	text, err := json.Marshal(struct {
		Command []string          `json:"command"`
		Env     map[string]string `json:"env"`
		Dir     string            `json:"dir"`
		Stdin   *string           `json:"stdin"`
	}{c.Command, vars, c.Dir, c.Stdin})
	if err != nil {
		panic(err) // texts alone always have a JSON form
	}
	sum := sha256.Sum256(text)
	return "sha256:" + hex.EncodeToString(sum[:])
}
