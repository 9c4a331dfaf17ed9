package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"tidegate/engine/graph"
	"tidegate/hclspec"
	"tidegate/hclspec/address"
	"tidegate/providers"
)

// program is a configuration made ready to be evaluated: every block taken apart by its
// kind's schema, every reference resolved, the graph ordered. It is not changed afterwards.
type program struct {
	spec       *hclspec.Spec
	opts       Options
	validate   bool // the surroundings are unknown
	nodes      map[address.Address]*node
	sorted     []*node // by address
	graph      *graph.Graph[address.Address]
	waves      [][]*node
	files      hclspec.FunctionOptions // without OnRead
	functions  map[string]function.Function
	variables  map[string]cty.Value // of the root module
	environ    map[string]string
	root       *module
	modules    map[address.Module]*module
	byDir      map[string]map[string]function.Function // of called modules
	groups     map[address.Address]*group              // repeated blocks and module calls
	expansions expansionValues                         // that a daemon evaluated
	keysets    map[address.Address]keyset              // of those that follow data
	compiled   map[*hclspec.Block]*providers.Block     // of those that more nodes may be made of
	within     map[address.Address][]address.Address   // sinks of module calls that are waited for
	earlier    map[address.Address]cty.Value           // what was evaluated early, while it is made
	remembered remembered                              // what the ledger knows of instances, while it is made
	reads      *fileReads                              // of what belongs to no node: validations, settings, the console
	readers    []*node                                 // the nodes that read files, by address
	warned     map[address.Address]hcl.Diagnostics     // what checking a node said, beside errors
	sound      bool                                    // it has no errors

	hidden constantSecrets

	settings map[plainSettings]*providers.SourceSettings // of sources that share them, after slim
	lists    map[address.Address][]address.Address       // of one detector, shared likewise

	memory []node // for nodes, while they are declared

	before *program                       // what is taken over, until digests were made
	found  map[hclspec.Read]hclspec.Found // what its reads find now, as long as before is set
}

// node is one block, variable, local or output.
type node struct {
	addr  address.Address
	mod   *module // that it is part of
	scope *module // in which its expressions are evaluated: for a variable that of the call
	each  *group  // of which it, or the module it is an argument of, is an instance; nil for none
	key   address.Key
	group *group // of an expansion or a collection
	kind  *providers.Kind
	block *providers.Block     // of a source, detector, rule, rate limit or sink
	expr  hcl.Expression       // of a local, output, expansion or argument of a module
	out   *hclspec.Output      // of an output
	input *hclspec.Variable    // of a variable of a called module
	check *hclspec.Check       // of a check
	refs  []*hclspec.Reference // all of them
	exprs []expression         // with the references of each

	detectors, rules, limits, depends []address.Address
	triggers                          []trigger
	members                           []address.Address // repeated blocks of which what is above depends on the instances that there are
	absent                            []address.Address // instances of policies that it names and that are not there; their blocks are among members
	usesDelivery                      bool
	sinks                             []address.Address // nearest sinks it depends on
	sources                           []address.Address // all sources it depends on

	reads, writes string            // local paths, where they are known without any source
	written       []address.Address // the sinks that write what this source reads

	// read are the attributes of a source that expressions read beside value: the others are
	// not made. "*" stands for all of them.
	read      []string
	follows   bool // it depends on which instances a block has, and that follows data
	cyclic    bool // it is on a cycle: it stands for an unknown value
	used      bool // some node depends on it
	reread    bool // a source reads what this sink writes
	recursive bool // a source reads directories below its own, too

	// static is the evaluated block where it depends on no source and no sink.
	static *evaluated
	// takes is what a sender must prove, of a source that depends on data though its push block does
	// not; nil for others.
	takes *providers.Push
	// constant is the value of a local that depends on no data, else NilVal.
	constant cty.Value
	// shown is what others saw of it when they were checked, NilVal for nothing.
	shown  cty.Value
	digest digest     // identity of what it means, beside the data of sources
	files  *fileReads // what it reads by functions, or as a rule; nil for nothing

	place    int   // among the sorted nodes, and in the graph
	was      *node // of the program before, nil if there is none; while this one is made
	next     *node // of the program after; while that one is made
	declared any   // where it comes from: the declaration of the Spec
	fresh    bool  // made in this compilation, not taken over
	dirty    bool  // checked in this compilation
	seen     bool  // shown is set, or there is nothing to show
}

// expression is one expression of a node and what it refers to. A node has few of them, so a
// list takes less than a map and is searched as fast.
type expression struct {
	expr  hcl.Expression
	refs  []*hclspec.Reference
	in    *module // where it stands; nil for where those of the node do
	wrong bool    // mistakes in its references were reported: it is not judged again
	reads bool    // it calls functions that look at files
}

// rng is where it is declared.
func (n *node) rng() hcl.Range {
	switch d := n.declared.(type) {
	case *hclspec.Block:
		return d.DefRange
	case *hclspec.Variable:
		return d.DefRange
	case *hclspec.Local:
		return d.DefRange
	case *hclspec.Output:
		return d.DefRange
	case *hclspec.Check:
		return d.DefRange
	case *hclspec.ModuleCall:
		return d.DefRange
	case *hclspec.Repetition:
		return d.DefRange
	case argument:
		if d.given != nil {
			return d.given.NameRange
		}
		return d.call.DefRange
	}
	return hcl.Range{}
}

// isOutput reports whether a node is an output of the root module: those of others are values that
// the root may refer to, and no more.
func (n *node) isOutput() bool { return n.out != nil && n.mod.parent == nil }

// computed reports whether a node is a value made of others: a local, an output, an argument of
// a module, an expansion or a collection.
func (n *node) computed() bool {
	return n.expr != nil || n.input != nil || n.addr.Type == address.Instances
}

// find returns one of the node's expressions, the zero value for any other.
func (n *node) find(expr hcl.Expression) expression {
	expr = providers.Compiled(expr)
	for i := range n.exprs {
		if n.exprs[i].expr == expr {
			return n.exprs[i]
		}
	}
	return expression{}
}

// refsOf returns what an expression of the node refers to.
func (n *node) refsOf(expr hcl.Expression) []*hclspec.Reference { return n.find(expr).refs }

// trigger is one entry of a sink's triggers, or one instance of a block that is. Before those is an
// entry that only says that all instances of the block are triggers, or one that comes with data.
type trigger struct {
	name   string
	expr   hcl.Expression  // nil for a block
	target address.Address // a sink or source named as a whole, else zero
	block  string          // of which target is an instance, where all of them are triggers
}

// compileOptions say how a program is made.
type compileOptions struct {
	validate bool // nothing of the surroundings is known
	// whole says that nothing was wrong with the Spec. Else it is only a part of what was
	// written, so that missing values are not complained about.
	whole  bool
	before *program       // what did not change is taken over from it; nil for nothing
	stored hclspec.Stored // read by functions and rules instead of the disk; nil for the disk
	find   func(hclspec.Read) (hclspec.Found, bool)
	keys   map[address.Address]keyset // of the blocks whose instances follow data
	// remembered are the instances that the ledger knows: those of a block that keys says nothing of.
	remembered remembered
}

// compile makes a program.
func compile(spec *hclspec.Spec, opts Options, c compileOptions) (*program, hcl.Diagnostics) {
	p := &program{
		spec: spec, opts: opts, validate: c.validate,
		graph: graph.New(address.Address.Compare), environ: map[string]string{}, reads: &fileReads{},
		files:   hclspec.FunctionOptions{ModuleDir: spec.Dir, ReadPaths: spec.Settings.PathsRead, Stored: c.stored, Find: c.find},
		warned:  map[address.Address]hcl.Diagnostics{},
		modules: map[address.Module]*module{}, byDir: map[string]map[string]function.Function{},
		groups: map[address.Address]*group{}, keysets: maps.Clone(c.keys), remembered: c.remembered,
		compiled: map[*hclspec.Block]*providers.Block{}, earlier: map[address.Address]cty.Value{},
	}
	for _, entry := range opts.Environ {
		if k, v, ok := strings.Cut(entry, "="); ok {
			p.environ[k] = v
		}
	}
	if c.before != nil {
		p.before, p.found = c.before, map[hclspec.Read]hclspec.Found{}
		p.settings, p.lists = c.before.settings, c.before.lists
		p.takeApart(c.before)
	}
	p.root = p.rootModule()
	p.functions = p.root.functions
	diags := p.inputs(c.whole)
	diags = append(diags, p.declare()...)
	p.remembered = nil
	maps.DeleteFunc(p.keysets, func(block address.Address, _ keyset) bool { return p.groups[block] == nil || !p.groups[block].data })
	diags = append(diags, p.connect()...)
	diags = append(diags, p.order()...)
	diags = append(diags, p.mover().check()...)
	diags = append(diags, p.checkRemoved()...)
	return p, append(diags, p.check()...)
}

// hash identifies the configuration: its files, the given values and the files that are read
// whatever the data.
func (p *program) hash() string {
	h := sha256.New()
	fmt.Fprintf(h, "%s\n", p.spec.Hash)
	p.reads.write(h)
	for _, n := range p.readers {
		n.files.write(h)
	}
	for _, name := range slices.Sorted(maps.Keys(p.variables)) {
		fmt.Fprintf(h, "%s %s\n", name, identity(p.variables[name]))
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

func (p *program) inputs(whole bool) hcl.Diagnostics {
	environ := p.opts.Environ
	if p.validate {
		environ = nil
	}
	inputs, diags := hclspec.CollectInputs(p.spec, hclspec.InputOptions{Flags: p.opts.Flags, Environ: environ, Values: p.opts.Inputs})
	values, more := p.spec.EvalVariables(inputs, hclspec.ValueOptions{
		AllowMissing: p.validate || !whole, Functions: p.functions,
	})
	p.variables = values
	return append(diags, more...)
}

// declare makes a node of every declaration, or takes it over: of a repeated block, of each instance.
func (p *program) declare() hcl.Diagnostics {
	all := len(p.spec.Variables) + len(p.spec.Locals) + len(p.spec.Outputs) + len(p.spec.Blocks)
	if p.before != nil {
		all = max(all, len(p.before.nodes))
	}
	p.nodes = make(map[address.Address]*node, all)
	p.memory = make([]node, 0, all)
	diags := p.declareModule(p.root)
	p.memory, p.earlier = nil, nil
	p.sort()
	p.graph.Grow(len(p.sorted))
	for _, n := range p.sorted {
		n.place = p.graph.Add(n.addr)
	}
	return diags
}

// add makes a node, or takes it over.
func (p *program) add(a address.Address, declared any, m *module) *node {
	if len(p.memory) == cap(p.memory) {
		p.memory = make([]node, 0, 256) // what is repeated is not counted before
	}
	p.memory = p.memory[:len(p.memory)+1]
	n := &p.memory[len(p.memory)-1]
	p.nodes[a] = n
	if !p.again(n, a, declared) {
		*n = node{addr: a, declared: declared, fresh: true, was: n.was}
	}
	n.mod, n.scope = m, m
	return n
}

// declareInstance makes the node of a block, or of one instance of it.
func (p *program) declareInstance(m *module, b *hclspec.Block, kind *providers.Kind, a address.Address, g *group) hcl.Diagnostics {
	n := p.add(a, b, m)
	n.each, n.key = g, a.Key
	if !n.fresh {
		return nil
	}
	block, diags := p.takenApart(m, b, kind)
	n.kind, n.block = kind, block
	return diags
}

// takenApart takes the body of a block apart by the schema of its kind: once for all instances.
func (p *program) takenApart(m *module, b *hclspec.Block, kind *providers.Kind) (*providers.Block, hcl.Diagnostics) {
	if block := p.compiled[b]; block != nil {
		return block, nil
	}
	block, diags := kind.Compile(b.Body, &b.DefRange)
	if b.Repetition != nil || m.parent != nil {
		// Another program of the same file may have the first instance of it: its base, the one that
		// runs where this one comes to nothing.
		p.compiled[b] = block
		return block, diags
	}
	// The block has taken what it needs; the syntax tree around it would be kept twice.
	b.Body = nil
	return block, diags
}

// takeApart takes over what blocks were taken apart into, also of those that have no instance at the
// moment.
func (p *program) takeApart(before *program) {
	if before.spec == p.spec {
		p.compiled = maps.Clone(before.compiled)
		return
	}
	for _, dir := range p.spec.Directories() {
		spec := p.spec.Child(dir)
		if spec == nil {
			spec = p.spec
		}
		for _, b := range spec.Blocks {
			if block := before.compiled[b]; block != nil {
				p.compiled[b] = block
			}
		}
	}
}

func (p *program) unknownKind(b *hclspec.Block) *hcl.Diagnostic {
	typ := string(b.Address.Type)
	names := p.opts.Registry.Names(typ)
	detail := fmt.Sprintf("There is no %s kind %q. The kinds are %s.", words(typ), b.Address.Kind, strings.Join(names, ", "))
	if near := hclspec.Nearest(b.Address.Kind, names); near != "" {
		detail = fmt.Sprintf("There is no %s kind %q. Did you mean %q?", words(typ), b.Address.Kind, near)
	}
	return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Unknown " + words(typ) + " kind", Detail: detail, Subject: &b.DefRange}
}

func words(typ string) string { return strings.ReplaceAll(typ, "_", " ") }
