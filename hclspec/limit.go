package hclspec

import (
	"fmt"
	"reflect"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// What one evaluation may cost. An expression of one line can ask for more than any machine
// has: loops in loops multiply, and so do texts that are put together from themselves.
const (
	// MaxSteps bounds the passes of all loops of one expression together, and the parts
	// of a value that an expression builds.
	MaxSteps = 4_000_000
	// MaxTextBytes bounds one text that an expression builds.
	MaxTextBytes = 64 << 20
	// maxLoopBytes bounds the texts that the loops of one expression build together.
	maxLoopBytes = 256 << 20
	// maxExponent bounds numbers, in powers of two: to write one out takes time that grows
	// with the square of its digits. Those of data are within 1e-324 and 1e309.
	maxExponent = 1 << 14
)

// What is less in tests.
var (
	maxSteps = MaxSteps
	// maxLoopTime is for loops whose passes are costly one by one.
	maxLoopTime = 30 * time.Second
)

const (
	tooManySteps = "Too many steps"
	tooLarge     = "Value too large"
)

// A meter counts what the loops of one evaluation cost. The outermost loop puts it into the
// context that all inner ones descend from, so it belongs to one goroutine.
type meter struct {
	steps, bytes int
	until        time.Time
	exceeded     *hcl.Diagnostic // the first limit that was passed
}

var meterType = cty.Capsule("meter", reflect.TypeFor[meter]())

// meterName is no identifier: no expression can refer to it, and it is like none.
const meterName = "\x00what the loops of this evaluation cost"

func metered(ctx *hcl.EvalContext) (*hcl.EvalContext, *meter) {
	m := &meter{until: time.Now().Add(maxLoopTime)}
	child := ctx.NewChild()
	child.Variables = map[string]cty.Value{meterName: cty.CapsuleVal(meterType, m)}
	return child, m
}

// meterOf returns the meter of the loops around, nil if there are none.
func meterOf(ctx *hcl.EvalContext) *meter {
	for ; ctx != nil; ctx = ctx.Parent() {
		if v, ok := ctx.Variables[meterName]; ok {
			return v.EncapsulatedValue().(*meter)
		}
	}
	return nil
}

// charge adds a cost. Once a limit was passed it answers the same error always: hcl goes
// through the rest of a collection after an error, and that must cost nothing any more.
func (m *meter) charge(steps, bytes int, rng hcl.Range) *hcl.Diagnostic {
	if m.exceeded != nil {
		return m.exceeded
	}
	m.steps += steps
	m.bytes += bytes
	switch {
	case m.steps > maxSteps:
		m.exceeded = errorAt(rng, tooManySteps,
			"This was given up after %d steps: each pass of a loop is one, and loops in loops multiply. Go through smaller collections, or let a source give the finished value.", maxSteps)
	case m.bytes > maxLoopBytes:
		m.exceeded = errorAt(rng, tooLarge,
			"The loops around this have built more than %s of text. Go through smaller collections, or let a source give the finished text.", mebibytes(maxLoopBytes))
	case time.Now().After(m.until):
		m.exceeded = errorAt(rng, "Evaluation takes too long",
			"The loops around this were given up after %s. Go through smaller collections, or let a source give the finished value.", maxLoopTime)
	}
	return m.exceeded
}

func mebibytes(n int) string { return fmt.Sprintf("%d MiB", n>>20) }

// textTooLarge is what to say of a text that is not built.
func textTooLarge(rng hcl.Range) *hcl.Diagnostic {
	return errorAt(rng, tooLarge, "The text that this makes is larger than %s. Put less together, or let a source give the finished text.", mebibytes(MaxTextBytes))
}

func numberOutOfRange(rng hcl.Range) *hcl.Diagnostic {
	return errorAt(rng, "Number out of range", "A number here is larger than 1e4900 or nearer to zero than 1e-4900. Write it as a text.")
}

func partsTooMany(rng hcl.Range) *hcl.Diagnostic {
	return errorAt(rng, tooLarge, "The value that this makes has more than %d parts. Put less together, or let a source give the finished value.", maxSteps)
}

// size is how much is inside a value: parts, and bytes of text. What is there twice counts
// twice, although in memory it may be there once: whoever walks the value walks it twice.
type size struct {
	parts, bytes int
	outOfRange   bool // a number that cannot be written out
	infinite     bool // a number
}

func (s size) tooMany() bool { return s.parts > maxSteps }
func (s size) tooLong() bool { return s.bytes > MaxTextBytes }

// measure adds up a value, and stops once it has passed a limit on parts.
func (s *size) measure(v cty.Value) {
	s.parts++
	if s.tooMany() {
		return
	}
	v, _ = v.Unmark()
	if v.IsNull() || !v.IsKnown() {
		return
	}
	switch ty := v.Type(); {
	case ty == cty.String:
		s.bytes += len(v.AsString())
	case ty == cty.Number:
		s.bytes += 8
		s.outOfRange = s.outOfRange || outOfRange(v) && !infinite(v)
		s.infinite = s.infinite || infinite(v)
	case ty.IsPrimitiveType() || !v.CanIterateElements():
	default:
		named := ty.IsObjectType() || ty.IsMapType()
		for it := v.ElementIterator(); it.Next() && !s.tooMany(); {
			k, e := it.Element()
			if named {
				s.bytes += len(k.AsString())
			}
			s.measure(e)
		}
	}
}

func sizeOf(v cty.Value) size {
	var s size
	s.measure(v)
	return s
}

// textLength is the length of a text, 0 of anything else.
func textLength(v cty.Value) int {
	if v.Type() != cty.String {
		return 0
	}
	if v, _ = v.Unmark(); v.IsNull() || !v.IsKnown() {
		return 0
	}
	return len(v.AsString())
}

// elements is the number of elements of a collection, 0 of anything else.
func elements(v cty.Value) int {
	if ty := v.Type(); !ty.IsTupleType() && !ty.IsCollectionType() {
		return 0
	}
	if v, _ = v.Unmark(); v.IsNull() || !v.IsKnown() {
		return 0
	}
	return v.LengthInt()
}

// outOfRange reports whether a value is a number that cannot be written out.
func outOfRange(v cty.Value) bool {
	if v.Type() != cty.Number {
		return false
	}
	if v, _ = v.Unmark(); v.IsNull() || !v.IsKnown() {
		return false
	}
	n := v.AsBigFloat()
	exponent := n.MantExp(nil)
	return n.IsInf() || exponent > maxExponent || exponent < -maxExponent
}
