package graph

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var testSpacing = Spacing{Column: 50, Row: 10, Lane: 4}

func TestLayoutOfNothing(t *testing.T) {
	d := New(strings.Compare).Layout(func(string) (float64, float64) { return 10, 10 }, testSpacing)
	if len(d.Boxes)+len(d.Routes) != 0 || d.Width != 0 || d.Height != 0 {
		t.Errorf("%+v", d)
	}
}

func TestLayoutOfACycle(t *testing.T) {
	g := New(strings.Compare)
	g.Connect("a", "b")
	g.Connect("b", "a")
	if d := g.Layout(func(string) (float64, float64) { return 10, 10 }, testSpacing); d != nil {
		t.Errorf("%+v", d)
	}
}

// Two pairs that are declared crosswise are drawn without a crossing, and a node that only a
// late one needs stands next to it.
func TestLayoutUncrosses(t *testing.T) {
	g := New(strings.Compare)
	g.Connect("c", "b")
	g.Connect("d", "a")
	g.Connect("e", "d")
	g.Connect("e", "late")
	d := g.Layout(func(string) (float64, float64) { return 10, 10 }, testSpacing)
	at := map[string]Box[string]{}
	for _, b := range d.Boxes {
		at[b.Node] = b
	}
	if (at["a"].Y < at["b"].Y) != (at["d"].Y < at["c"].Y) {
		t.Errorf("a-d and b-c cross: %+v", at)
	}
	if at["late"].X != at["d"].X {
		t.Errorf("late stands at %v, beside e at %v", at["late"], at["e"])
	}
}

// Whatever the graph: dependencies stand to the left, nothing overlaps, no edge runs through a
// box, everything is within the drawing, and it is the same each time.
func TestLayoutIsLegible(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g, edges := draw(t, true)
		size := func(k int) (w, h float64) { return float64(20 + k%7*5), float64(10 + k%3*10) }
		d := g.Layout(size, testSpacing)
		box := map[int]Box[int]{}
		for i, b := range d.Boxes {
			box[b.Node] = b
			if w, h := size(b.Node); b.W < w || b.H != h || b.X < 0 || b.Y < -slack || b.X+b.W > d.Width+slack || b.Y+b.H > d.Height+slack {
				t.Errorf("%+v of size %v %v in a drawing of %v %v", b, w, h, d.Width, d.Height)
			}
			for _, o := range d.Boxes[:i] {
				if b.X == o.X && b.Y < o.Y+o.H+testSpacing.Row-slack && o.Y < b.Y+b.H+testSpacing.Row-slack {
					// A lane between two boxes takes the place of the row's gap.
					if b.Y < o.Y+o.H && o.Y < b.Y+b.H {
						t.Errorf("%+v overlaps %+v", b, o)
					}
				}
			}
		}
		if len(box) != g.Len() {
			t.Errorf("%d boxes of %d nodes", len(box), g.Len())
		}
		routes := map[pair]bool{}
		for _, r := range d.Routes {
			routes[pair{r.To, r.From}] = true
			checkRoute(t, r, box)
		}
		for _, e := range edges {
			if !routes[e] {
				t.Errorf("no route for %v", e)
			}
		}
		if diff := cmp.Diff(d, g.Layout(size, testSpacing)); diff != "" {
			t.Errorf("another drawing:\n%s", diff)
		}
	})
}

const slack = 1e-6

func checkRoute(t *rapid.T, r Route[int], box map[int]Box[int]) {
	from, to := box[r.From], box[r.To]
	first, last := r.Points[0], r.Points[len(r.Points)-1]
	if first.X != from.X+from.W || math.Abs(first.Y-from.Y-from.H/2) > slack || last.X != to.X || math.Abs(last.Y-to.Y-to.H/2) > slack {
		t.Errorf("%+v does not join %+v and %+v", r, from, to)
	}
	if !slices.IsSortedFunc(r.Points, func(a, b Point) int {
		if a.X < b.X {
			return -1
		}
		return 1
	}) {
		t.Errorf("%+v goes back", r)
	}
	for i := 2; i < len(r.Points); i += 2 {
		in, out := r.Points[i-1], r.Points[i]
		if in.Y != out.Y {
			t.Errorf("%+v is not level within a column", r)
		}
		for _, b := range box {
			if b.X == in.X && in.Y > b.Y-slack && in.Y < b.Y+b.H+slack {
				t.Errorf("%+v runs through %+v", r, b)
			}
		}
	}
}

// Too many edges for ways of their own are drawn straight, and nothing takes long.
func TestLayoutOfVeryLongEdges(t *testing.T) {
	g := New(func(a, b int) int { return a - b })
	const n = 1000
	for i := 1; i < n; i++ {
		g.Connect(i, i-1)
		for k := 0; k < i; k += 97 {
			g.Connect(n+i, k)
		}
		g.Connect(n+i, i)
		g.Connect(2*n, n+i)
	}
	d := g.Layout(func(int) (float64, float64) { return 10, 10 }, testSpacing)
	if len(d.Boxes) != g.Len() {
		t.Errorf("%d boxes", len(d.Boxes))
	}
}
