package plan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"tidegate/engine/state"
	"tidegate/hclspec/mark"
)

// A saved plan is two lines of JSON. The first holds the plan, readable by whoever may read the
// file, with everything sensitive sealed; the second is the signature of the first, line end
// included. See docs/plans.md.
const (
	savedFormat  = "tidegate plan"
	savedVersion = "1"
	// sealLabel ties what is sealed to its use.
	sealLabel = "secrets of a saved plan"
)

// Saved is a plan that is applied later, with what ties it to its place and time.
type Saved struct {
	Plan    *Plan
	Expires time.Time
	State   string // path of the state, absolute
	Key     string // public half of the key that signed it
	// ReadPaths and WritePaths are the settings' paths.read and paths.write: where its functions
	// may read and its sinks may write.
	ReadPaths, WritePaths []string
	Files                 []File // what the configuration was read from, in the order of their paths
	// Environment are keyed hashes of what the configuration takes from the surroundings, by how
	// it refers to that; "" for what was not set. A daemon has its own.
	Environment map[string]string

	line, sealed []byte
	signature    string
}

// File is one look at the file system that the configuration was made from.
type File struct {
	Kind    string `json:"kind"` // as hclspec.ReadKind
	Path    string `json:"path"` // absolute
	Pattern string `json:"pattern,omitempty"`
	Hash    string `json:"hash,omitempty"` // "" where nothing was found
}

// Signer signs and seals with the key of a state; see state.Signer.
type Signer interface {
	Public() string
	Sign(data []byte) string
	Signed(data []byte, signature string) bool
	Seal(label string, data []byte) []byte
	Open(label string, data []byte) ([]byte, error)
}

// savedLine is the first line.
type savedLine struct {
	Format        string            `json:"format"`
	FormatVersion string            `json:"format_version"`
	ToolVersion   string            `json:"tool_version"`
	Created       time.Time         `json:"created"`
	Expires       time.Time         `json:"expires"`
	Complete      bool              `json:"complete"`
	State         string            `json:"state"`
	Key           string            `json:"key"`
	ReadPaths     []string          `json:"read_paths,omitempty"`
	WritePaths    []string          `json:"write_paths,omitempty"`
	Files         []File            `json:"files"`
	Environment   map[string]string `json:"environment,omitempty"`
	Plan          json.RawMessage   `json:"plan"`
	Sealed        []byte            `json:"sealed"`
}

type savedSignature struct {
	Signature string `json:"signature"`
}

// line is the whole line: nothing else may stand there.
func (s savedSignature) line() string { return fmt.Sprintf("{\"signature\":%q}\n", s.Signature) }

// secrets are what the plan's own JSON leaves out.
type secrets struct {
	Values map[int]json.RawMessage `json:"values,omitempty"` // by their place among values()
	Blobs  map[string][]byte       `json:"blobs,omitempty"`  // by name
	// Payloads are those of sinks without a delivery: what was applied and is to be deleted.
	Payloads map[string]*state.Payload `json:"payloads,omitempty"`
	Hidden   []string                  `json:"hidden,omitempty"`
}

// Encode writes a saved plan.
func (s *Saved) Encode(signer Signer) ([]byte, error) {
	secret, err := s.Plan.secrets()
	if err != nil {
		return nil, fmt.Errorf("write the plan down: %w", err)
	}
	var hidden, shown []byte
	if hidden, err = json.Marshal(secret); err == nil {
		shown, err = json.Marshal(s.Plan)
	}
	if err != nil {
		return nil, fmt.Errorf("write the plan down: %w", err)
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	line := savedLine{
		Format: savedFormat, FormatVersion: savedVersion, ToolVersion: s.Plan.ToolVersion,
		Created: s.Plan.Time, Expires: s.Expires, Complete: !s.Plan.Incomplete, State: s.State, Key: signer.Public(),
		ReadPaths: s.ReadPaths, WritePaths: s.WritePaths, Files: s.Files, Environment: s.Environment, Plan: shown, Sealed: signer.Seal(sealLabel, hidden),
	}
	if err := enc.Encode(line); err != nil {
		return nil, fmt.Errorf("write the plan down: %w", err)
	}
	return append(out.Bytes(), savedSignature{signer.Sign(out.Bytes())}.line()...), nil
}

// What is wrong with the bytes of a saved plan.
var (
	ErrNoPlan   = errors.New("it is no plan that \"tidegate plan --out\" wrote")
	ErrCutOff   = errors.New("it is cut off: a part at its end is missing")
	ErrDamaged  = errors.New("it is damaged")
	ErrTampered = errors.New("it was changed after it was written: its signature does not fit")
	ErrOtherKey = errors.New("it was signed with the key of another state")
)

// Decode reads a saved plan. Until Verify nothing of it is to be believed, and what is
// sensitive is redacted.
func Decode(data []byte) (*Saved, error) {
	start := []byte(`{"format":"` + savedFormat + `",`)
	if !bytes.HasPrefix(data, start) {
		return nil, ErrNoPlan
	}
	end := bytes.IndexByte(data, '\n') + 1
	var line savedLine
	err := json.Unmarshal(data[:max(end, 0)], &line)
	if err == nil && line.FormatVersion != savedVersion {
		return nil, fmt.Errorf("it has format %s, which this version of Tidegate does not know (it writes %s); plan again", line.FormatVersion, savedVersion)
	}
	var last savedSignature
	switch {
	case end == 0 || !bytes.HasSuffix(data[end:], []byte("\n")):
		return nil, ErrCutOff
	case err != nil || json.Unmarshal(data[end:], &last) != nil || string(data[end:]) != last.line():
		return nil, ErrDamaged
	}
	s := &Saved{
		Plan: &Plan{}, Expires: line.Expires, State: line.State, Key: line.Key,
		ReadPaths: line.ReadPaths, WritePaths: line.WritePaths, Files: line.Files, Environment: line.Environment,
		line: data[:end], sealed: line.Sealed, signature: last.Signature,
	}
	if err := json.Unmarshal(line.Plan, s.Plan); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if s.Plan.ToolVersion != line.ToolVersion || slices.Contains(s.Plan.Sources, nil) || slices.Contains(s.Plan.Outputs, nil) || slices.Contains(s.Plan.Limits, nil) ||
		slices.ContainsFunc(s.Plan.Sinks, func(c *SinkChange) bool { return c == nil || c.Delivery == nil && c.needsDelivery() }) {
		return nil, ErrDamaged
	}
	return s, s.Plan.unpack(&secrets{})
}

// needsDelivery reports whether the change cannot be carried out without an intent.
func (c *SinkChange) needsDelivery() bool {
	return c.Action == Create || c.Action == Update || c.Action == Adopt || c.Remember
}

// Verify checks the signature and opens what is sealed.
func (s *Saved) Verify(signer Signer) error {
	if s.Key != signer.Public() {
		return ErrOtherKey
	}
	if !signer.Signed(s.line, s.signature) {
		return ErrTampered
	}
	data, err := signer.Open(sealLabel, s.sealed)
	if err != nil {
		return fmt.Errorf("open what is sealed in it: %w", err)
	}
	var secret secrets
	if err := json.Unmarshal(data, &secret); err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return s.Plan.unpack(&secret)
}

// secrets gathers what the JSON of the plan does not hold.
func (p *Plan) secrets() (*secrets, error) {
	out := &secrets{Values: map[int]json.RawMessage{}, Blobs: map[string][]byte{}, Payloads: map[string]*state.Payload{}, Hidden: p.Hidden}
	for i, v := range p.values() {
		if !mark.Has(v.Value) {
			continue
		}
		plain, marked := mark.Reveal(v.Value)
		data, err := encodeValue(plain, marked, nil)
		if err != nil {
			return nil, err
		}
		out.Values[i] = data
	}
	for _, blobs := range p.blobs() {
		for _, b := range *blobs {
			if b.Sealed {
				out.Blobs[b.Hash] = b.Data
			}
		}
	}
	for _, c := range p.Sinks {
		if c.Payload != nil && len(c.Blobs) == 0 {
			out.Payloads[c.Address.String()] = c.Payload
		}
	}
	return out, nil
}

// unpack completes a plan that was read: with the secrets, and with what is kept once.
func (p *Plan) unpack(secret *secrets) error {
	p.Hidden = secret.Hidden
	for i, v := range p.values() {
		data, ok := secret.Values[i]
		if !ok {
			continue
		}
		decoded, err := decodeValue(data)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		v.Value = decoded
	}
	for _, blobs := range p.blobs() {
		for i, b := range *blobs {
			if data, ok := secret.Blobs[b.Hash]; ok && b.Sealed {
				(*blobs)[i].Data = data
			}
		}
	}
	for _, c := range p.Sinks {
		c.Payload = secret.Payloads[c.Address.String()]
		if len(c.Blobs) > 0 && c.Blobs[0].Data != nil {
			c.Payload = &state.Payload{}
			if err := json.Unmarshal(c.Blobs[0].Data, c.Payload); err != nil {
				return fmt.Errorf("%w: the payload of %s: %w", ErrDamaged, c.Address, err)
			}
		}
		if len(c.Blobs) > 1 {
			c.Replaces = c.Blobs[1].Data
		}
	}
	return nil
}

// values are all values of the plan that are shown, always in the same order.
func (p *Plan) values() []*Value {
	var out []*Value
	for _, c := range p.Sources {
		out = append(out, &c.Before, &c.After)
		for i := range c.Changes {
			out = append(out, &c.Changes[i].Before, &c.Changes[i].After)
		}
	}
	for _, c := range p.Sinks {
		out = append(out, &c.Before, &c.After)
	}
	for _, c := range p.Outputs {
		out = append(out, &c.Before, &c.Value)
	}
	for _, name := range slices.Sorted(maps.Keys(p.Variables)) {
		out = append(out, p.Variables[name])
	}
	for _, l := range p.Limits {
		out = append(out, &l.Values)
	}
	return out
}

// blobs are all lists of stored bytes that the plan carries.
func (p *Plan) blobs() []*[]state.Blob {
	var out []*[]state.Blob
	for _, c := range p.Sources {
		out = append(out, &c.Blobs)
	}
	for _, c := range p.Sinks {
		out = append(out, &c.Blobs)
	}
	for _, c := range p.Outputs {
		out = append(out, &c.Blobs)
	}
	return out
}
