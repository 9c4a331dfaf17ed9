package providers

import (
	"fmt"
	"reflect"

	"github.com/hashicorp/go-hclog"
	"github.com/zclconf/go-cty/cty"
)

// Kind is one kind of block: its documentation, its schema, and how its instances are
// made. A kind is a value in a list (see package all), made by SourceKind, DetectorKind,
// RuleKind, RateLimitKind or SinkKind from a struct that gohcl can decode.
type Kind struct {
	Type string // "source", "detector", "rule", "rate_limit", "sink"
	Name string // the first label of its blocks
	Doc
	Schema *Schema // attributes and blocks of the kind and of its block type

	settings func() any // defaults of the block type's struct, nil if it has none
	config   func() any // defaults of the kind's struct
	build    func(config any, env Env) (any, error)
	instead  func(real any, values cty.Value, env Env) any // nil for the real instance
}

// Doc is what the reference page of a kind is generated from.
type Doc struct {
	Summary     string   // one sentence
	Description string   // Markdown paragraphs: what it does, what happens when it fails
	Example     string   // HCL that validates
	Detectors   []string // of a source: the detector kinds it can serve, its default first; none means it is read once
}

// Env is what an instance may know of its surroundings.
type Env struct {
	Address    string   // of the instance
	ModuleDir  string   // absolute; relative paths resolve against it
	RootDir    string   // absolute directory of the root module, the default of a program's dir
	ReadPaths  []string // paths.read: absolute roots, none means no confinement
	WritePaths []string // paths.write: likewise
	Environ    []string // of the process, "K=V"
	UserAgent  string   // for HTTP requests
	Logger     hclog.Logger
	// Stored, where it is set, returns what a file that counts as configuration held when the
	// configuration was good: the present one is broken, and its files are not to be used. It
	// reports false for a file that it does not know.
	Stored func(path string) ([]byte, bool)
	// Sensitive reports whether the named attribute's value was marked, or holds a mark.
	Sensitive func(attribute string) bool
}

// IsSensitive is Sensitive, and false where the environment does not say.
func (e Env) IsSensitive(attribute string) bool {
	return e.Sensitive != nil && e.Sensitive(attribute)
}

// StandIn returns a kind with the same schema and documentation whose instances are what
// instead makes of the real ones: of a real instance, which was built and is not used unless
// instead does, the block's values, marked, and the environment. It must answer an instance
// of the same block type. Configurations are tried out in this way without touching anything.
// The stand-in of a stand-in takes the first one for real.
func (k *Kind) StandIn(instead func(real any, values cty.Value, env Env) any) *Kind {
	out := *k
	out.instead = instead
	if first := k.instead; first != nil {
		out.instead = func(real any, values cty.Value, env Env) any {
			return instead(first(real, values, env), values, env)
		}
	}
	return &out
}

// SourceKind declares a kind of source. defaults returns a new pre-filled configuration;
// build makes an instance and must neither block nor touch the world. It returns all
// mistakes of a configuration at once, as AttributeErrors put together by errors.Join.
func SourceKind[C any](name string, doc Doc, defaults func() *C, build func(*C, Env) (Source, error)) *Kind {
	return newKind("source", name, doc, anyOf(DefaultSourceSettings), defaults, build)
}

// DetectorKind declares a kind of detector.
func DetectorKind[C any](name string, doc Doc, defaults func() *C, build func(*C, Env) (Detector, error)) *Kind {
	return newKind("detector", name, doc, nil, defaults, build)
}

// RuleKind declares a kind of rule.
func RuleKind[C any](name string, doc Doc, defaults func() *C, build func(*C, Env) (Rule, error)) *Kind {
	return newKind("rule", name, doc, anyOf(DefaultRuleSettings), defaults, build)
}

// RateLimitKind declares a kind of rate limit.
func RateLimitKind[C any](name string, doc Doc, defaults func() *C, build func(*C, Env) (RateLimit, error)) *Kind {
	return newKind("rate_limit", name, doc, anyOf(DefaultRateLimitSettings), defaults, build)
}

// SinkKind declares a kind of sink.
func SinkKind[C any](name string, doc Doc, defaults func() *C, build func(*C, Env) (Sink, error)) *Kind {
	return newKind("sink", name, doc, anyOf(DefaultSinkSettings), defaults, build)
}

func anyOf[T any](f func() *T) func() any { return func() any { return f() } }

func newKind[C, I any](typ, name string, doc Doc, settings func() any, defaults func() *C, build func(*C, Env) (I, error)) *Kind {
	k := &Kind{
		Type: typ, Name: name, Doc: doc,
		settings: settings,
		config:   anyOf(defaults),
		// The one type assertion: what config returns is what build takes.
		build: func(config any, env Env) (any, error) { return build(config.(*C), env) },
	}
	k.Schema = schemaOf(reflect.ValueOf(defaults()).Elem(), false)
	if settings != nil {
		common := schemaOf(reflect.ValueOf(settings()).Elem(), true)
		k.Schema.Attributes = append(k.Schema.Attributes, common.Attributes...)
		k.Schema.Blocks = append(k.Schema.Blocks, common.Blocks...)
	}
	return k
}

// Registry finds kinds by block type and name.
type Registry struct {
	kinds []*Kind
	index map[[2]string]*Kind
}

// NewRegistry returns a registry of the given kinds; two of one name are an error of the program.
func NewRegistry(kinds []*Kind) (*Registry, error) {
	r := &Registry{kinds: kinds, index: make(map[[2]string]*Kind, len(kinds))}
	for _, k := range kinds {
		key := [2]string{k.Type, k.Name}
		if r.index[key] != nil {
			return nil, fmt.Errorf("the %s kind %q is listed twice", k.Type, k.Name)
		}
		r.index[key] = k
	}
	return r, nil
}

// Kind returns the kind, nil if there is none.
func (r *Registry) Kind(typ, name string) *Kind { return r.index[[2]string{typ, name}] }

// Kinds returns all kinds in the order of the list.
func (r *Registry) Kinds() []*Kind { return r.kinds }

// Names returns the names of a block type's kinds in the order of the list.
func (r *Registry) Names(typ string) []string {
	var names []string
	for _, k := range r.kinds {
		if k.Type == typ {
			names = append(names, k.Name)
		}
	}
	return names
}
