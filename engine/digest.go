package engine

import (
	"crypto/sha256"
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"tidegate/hclspec/address"
	"tidegate/hclspec/mark"
	"tidegate/providers"
)

// digest is an identity, zero where it was not made yet.
type digest [sha256.Size]byte

// equalNodes reports whether a block means what it meant: as written, and in all that it
// refers to beside the data of sources.
func equalNodes(a, b *node) bool { return a == b || a != nil && b != nil && a.digest == b.digest }

// digests gives every block an identity over its text, the policies it names, and the values
// of what it refers to that depends on no source. Instances of equal blocks are taken over
// with their connections.
func (p *program) digests() {
	for _, wave := range p.waves {
		var nodes []*node
		for _, n := range wave {
			if n.digest == (digest{}) {
				nodes = append(nodes, n)
			}
		}
		p.sideBySide(len(nodes), func(i int) {
			nodes[i].digest = p.digestOf(nodes[i])
			nodes[i].keepInstance(nodes[i].was)
		})
	}
	p.forget()
}

// keepInstance lets an equal block that was read again go on with the instance of before.
func (n *node) keepInstance(old *node) {
	if n.static == nil || old == nil || old.static == nil || n.digest != old.digest {
		return
	}
	kept := *old.static
	kept.values, kept.settings = n.static.values, n.static.settings
	n.static = &kept
}

func (p *program) digestOf(n *node) (sum digest) {
	h := sha256.New()
	fmt.Fprintf(h, "%s %q %q\n", n.addr, p.spec.Settings.PathsRead, p.spec.Settings.PathsWrite)
	if n.addr.Type == address.Variable && n.input == nil {
		v, _ := mark.Reveal(p.variables[n.addr.Name])
		fmt.Fprintf(h, "%s %t\n", identity(v), mark.Has(p.variables[n.addr.Name]))
	}
	write := func(name string, expr hcl.Expression) {
		fmt.Fprintf(h, "%s=", name)
		for _, token := range p.tokens(expr.Range()) {
			fmt.Fprintf(h, "%q ", token)
		}
		fmt.Fprintln(h)
	}
	if n.mod.parent != nil { // relative paths begin there, and so does path.module
		fmt.Fprintf(h, "%q\n", n.mod.spec.Dir)
	}
	if n.input != nil {
		n.input.WriteIdentity(h)
		for _, c := range n.input.Validations {
			write("condition", c.Condition)
			write("message", c.ErrorMessage)
		}
	}
	if n.expr != nil {
		write("value", n.expr)
	}
	if n.block != nil {
		for _, b := range n.kind.Schema.Blocks {
			if n.block.AttributeRange(b.Name) != n.block.Range() {
				fmt.Fprintf(h, "%s {}\n", b.Name) // also where it is empty
			}
		}
		n.block.Expressions(func(name string, _ *providers.Attribute, expr hcl.Expression) { write(name, expr) })
	}
	for _, r := range n.refs {
		if r.Root == "env" {
			v, set := p.environ[r.Name]
			fmt.Fprintf(h, "env.%s %t %x\n", r.Name, set, sha256.Sum256([]byte(v)))
		}
	}
	for _, d := range p.graph.Dependencies(n.addr) {
		fmt.Fprintf(h, "%s\n", d)
		if m := p.nodes[d]; d.Type == address.Expansion && n.each == m.group && m.constant != cty.NilVal {
			// Of the whole only its own part counts: another key is nothing to it.
			own, _ := mark.Reveal(eachObject("each", m.constant, n.key))
			fmt.Fprintf(h, "%s\n", identity(own))
			continue
		}
		if d.Type != address.Source && d.Type != address.Sink {
			fmt.Fprintf(h, "%x\n", p.nodes[d].digest)
		}
	}
	if n.files != nil {
		n.files.write(h)
		fmt.Fprintf(h, "%d\n", n.files.generation)
	}
	h.Sum(sum[:0])
	return sum
}

// tokens is an expression as it is written, but for blanks and comments between its words:
// those inside of a text count.
func (p *program) tokens(rng hcl.Range) [][]byte {
	f := p.spec.Files[rng.Filename]
	if f == nil || !rng.CanSliceBytes(f.Bytes) {
		return nil
	}
	src := rng.SliceBytes(f.Bytes)
	tokens, diags := hclsyntax.LexExpression(src, rng.Filename, hcl.InitialPos)
	if diags.HasErrors() {
		return [][]byte{src}
	}
	tokens = slices.DeleteFunc(tokens, func(t hclsyntax.Token) bool { return t.Type == hclsyntax.TokenComment })
	out := make([][]byte, len(tokens))
	for i, t := range tokens {
		out[i] = t.Bytes
	}
	return out
}
