package providers

import "github.com/hashicorp/hcl/v2"

// Declaration is what a block says at one name: an attribute, or the blocks of that name in their order.
type Declaration struct {
	Name       string
	Attribute  *Attribute // nil for blocks
	Expression hcl.Expression
	Credential bool
	Blocks     [][]Declaration // of each what it says
}

// Declarations returns what the block says, attributes first. A dynamic block is one block, in which
// for_each says what it is repeated over.
func (b *Block) Declarations() []Declaration { return b.declarations() }

func (p *part) declarations() []Declaration {
	var out []Declaration
	for _, a := range p.attrs {
		out = append(out, Declaration{Name: a.Name, Attribute: a.Attribute, Expression: a.expr, Credential: a.Credential})
	}
	places := map[string]int{}
	for i := range p.blocks {
		b := &p.blocks[i]
		inner := b.part.declarations()
		if b.dynamic != nil {
			inner = append([]Declaration{{Name: forEach.Name, Attribute: forEach, Expression: b.dynamic.forEach}}, inner...)
		}
		place, known := places[b.Name]
		if !known {
			place, places[b.Name] = len(out), len(out)
			out = append(out, Declaration{Name: b.Name})
		}
		out[place].Blocks = append(out[place].Blocks, inner)
	}
	return out
}
