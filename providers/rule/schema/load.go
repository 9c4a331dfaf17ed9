package schema

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"tidegate/providers"
	"tidegate/providers/internal/durable"
)

// maxSchemaBytes caps a schema, as .hcl files are capped.
const maxSchemaBytes = 4 << 20

// location is the name under which a schema is known to the validator. It is made up: a
// relative reference resolves against it and ends at the forbidding loader.
const location = "schema:///schema.json"

// load returns the compiled schema. A failure is not remembered, so that the next candidate
// is judged by a file that was mended in the meantime.
func (r *rule) load(ctx context.Context) (*jsonschema.Schema, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.checker != nil {
		return r.checker, nil
	}
	text, err := r.read(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the schema %s: %w", r.path, err)
	}
	checker, err := compile(text)
	if err != nil {
		return nil, providers.Permanent(fmt.Errorf("%s: %w", r.path, err))
	}
	r.checker = checker
	return checker, nil
}

func (r *rule) read(ctx context.Context) ([]byte, error) {
	if r.stored != nil {
		if text, ok := r.stored(r.path); ok {
			return text, nil
		}
	}
	f, _, err := durable.Open(r.path, durable.Options{Roots: r.roots, Setting: "paths.read"}, false)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, _, err := durable.Read(ctx, f, maxSchemaBytes)
	return text, err
}

// compile makes a validator of a schema's text.
func compile(text []byte) (*jsonschema.Schema, error) {
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("the schema is no JSON: %w", err)
	}
	if err := checkNumbers(document); err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	c.UseLoader(noLoader{})
	if err := c.AddResource(location, document); err != nil {
		return nil, wrong(err)
	}
	checker, err := c.Compile(location)
	if err != nil {
		return nil, wrong(err)
	}
	return checker, nil
}

// checkNumbers refuses numbers that would cost the library, which computes with fractions,
// any amount of time, or that big.Rat does not take, which it does not ask.
func checkNumbers(v any) error {
	switch v := v.(type) {
	case json.Number:
		f, _, err := big.ParseFloat(v.String(), 10, 64, big.ToNearestEven)
		if err != nil || len(v) > 1000 || outOfRange(f) {
			return fmt.Errorf("the schema holds the number %.30s, which is too large or too long to compare with", v)
		}
	case []any:
		for _, e := range v {
			if err := checkNumbers(e); err != nil {
				return err
			}
		}
	case map[string]any:
		for _, e := range v {
			if err := checkNumbers(e); err != nil {
				return err
			}
		}
	}
	return nil
}

// noLoader refuses every reference that leaves the schema: a schema from outside must not
// make us read files or ask servers, and a value must not be judged by what lies elsewhere.
type noLoader struct{}

var errReference = errors.New("references that leave the schema are not followed")

func (noLoader) Load(string) (any, error) { return nil, errReference }

// wrong puts the library's errors into our words.
func wrong(err error) error {
	var load *jsonschema.LoadURLError
	if errors.As(err, &load) && load.Err == errReference {
		return fmt.Errorf("the schema refers to %s; references to other files and URLs are not followed: copy what is needed under $defs and refer to #/$defs/NAME", strings.TrimPrefix(load.URL, "schema:///"))
	}
	var invalid *jsonschema.SchemaValidationError
	var cause *jsonschema.ValidationError
	if errors.As(err, &invalid) && errors.As(invalid.Err, &cause) {
		var words []string
		for _, f := range findings(cause, reporter{}) {
			words = append(words, strings.TrimPrefix(f.Path+": "+f.Message, ": "))
		}
		return fmt.Errorf("the schema is not valid: %s", strings.Join(words, " "))
	}
	var pattern *jsonschema.InvalidRegexError
	if errors.As(err, &pattern) {
		return fmt.Errorf("the schema's pattern %q is no RE2 regular expression (look-around and back-references are not supported): %w", pattern.Regex, pattern.Err)
	}
	return fmt.Errorf("the schema is not valid: %w", err)
}
