package graph

import (
	"cmp"
	"slices"
)

// Drawing says where the nodes of a graph are drawn, in columns from left to right: what a node
// depends on stands to its left.
type Drawing[K comparable] struct {
	Boxes         []Box[K]
	Routes        []Route[K]
	Width, Height float64
}

// Box is the place of one node.
type Box[K comparable] struct {
	Node       K
	X, Y, W, H float64 // of the upper left corner, and the size
}

// Route leads from a dependency to what depends on it. Between the points at odd and even
// places (the second and third, and so on) it passes straight through a column.
type Route[K comparable] struct {
	From, To K // To depends on From
	Points   []Point
}

// Point is a place in a drawing.
type Point struct{ X, Y float64 }

// Spacing is how far apart things are drawn.
type Spacing struct {
	Column float64 // between two columns
	Row    float64 // between two nodes of a column
	Lane   float64 // between an edge that passes through a column and its neighbours
}

// Layout draws the graph with boxes of the given sizes, so that few edges cross and most are
// short. It returns nil for a graph with a cycle. Equal graphs are drawn equally. After Sugiyama,
// Tagawa, Toda: "Methods for Visual Understanding of Hierarchical System Structures", 1981.
func (g *Graph[K]) Layout(size func(K) (w, h float64), space Spacing) *Drawing[K] {
	levels, cycle := g.Levels()
	if cycle != nil {
		return nil
	}
	l := &layout[K]{g: g, space: space, at: make([]int, len(g.keys))}
	l.assign(levels)
	l.fill(size)
	l.order()
	l.place()
	return l.drawing()
}

// layout is one drawing in the making.
type layout[K comparable] struct {
	g       *Graph[K]
	space   Spacing
	at      []int // column of each node, by place in the graph
	columns [][]*spot
	first   []*spot // of each node
	lanes   map[lane]*spot
}

// spot is a node in its column, or an edge that passes through a column. All edges from one
// node share their way.
type spot struct {
	node        int // -1 for a lane
	column      int
	w, h, y     float64
	left, right []*spot
	place       int
	pull        float64
}

func (s *spot) center() float64 { return s.y + s.h/2 }

// lane is the way of a node's edges through a column.
type lane struct{ node, column int }

// assign gives each node its column: the first that is right of all it depends on. Nodes
// that depend on nothing then move to those that depend on them.
func (l *layout[K]) assign(levels [][]int) {
	for column, places := range levels {
		for _, v := range places {
			l.at[v] = column
		}
	}
	for _, v := range levels0(levels) {
		if len(l.g.users[v]) == 0 {
			continue
		}
		near := len(levels)
		for _, u := range l.g.users[v] {
			near = min(near, l.at[u])
		}
		l.at[v] = near - 1
	}
}

func levels0(levels [][]int) []int {
	if len(levels) == 0 {
		return nil
	}
	return levels[0]
}

// fill makes the spots and links those of neighbouring columns.
func (l *layout[K]) fill(size func(K) (w, h float64)) {
	l.first, l.lanes = make([]*spot, len(l.at)), map[lane]*spot{}
	sorted, _ := l.g.ranks()
	straight := l.passes() > manyLanes
	for _, v := range sorted {
		w, h := size(l.g.keys[v])
		l.first[v] = &spot{node: v, w: w, h: h}
		l.put(l.at[v], l.first[v])
	}
	for _, v := range sorted {
		for _, u := range l.g.users[v] {
			from := l.first[v]
			for column := l.at[v] + 1; column < l.at[u] && !straight; column++ {
				s := l.lanes[lane{v, column}]
				if s == nil {
					s = &spot{node: -1}
					l.lanes[lane{v, column}] = s
					l.put(column, s)
					link(from, s)
				}
				from = s
			}
			link(from, l.first[u])
		}
	}
}

// passes counts the columns that edges pass through.
func (l *layout[K]) passes() int {
	n := 0
	for v, users := range l.g.users {
		furthest := 0
		for _, u := range users {
			furthest = max(furthest, l.at[u]-l.at[v]-1)
		}
		n += furthest
	}
	return n
}

func (l *layout[K]) put(column int, s *spot) {
	for len(l.columns) <= column {
		l.columns = append(l.columns, nil)
	}
	s.place, s.column = len(l.columns[column]), column
	l.columns[column] = append(l.columns[column], s)
}

func link(a, b *spot) {
	a.right = append(a.right, b)
	b.left = append(b.left, a)
}

// From manySpots on a drawing is too large for anybody to see whether edges cross, and from
// manyLanes on edges run straight over what is in their way.
const (
	manySpots = 20_000
	manyLanes = 100_000
)

// order arranges each column by what its neighbours have in the middle, from left to right
// and back, and keeps the arrangement with the fewest crossings.
func (l *layout[K]) order() {
	spots := 0
	for _, c := range l.columns {
		spots += len(c)
	}
	rounds := 24
	if spots > manySpots {
		rounds = 2
	}
	best, fewest := l.snapshot(), l.crossings()
	for round := 0; round < rounds && fewest > 0; round++ {
		if round%2 == 0 {
			for _, c := range l.columns[1:] {
				arrange(c, func(s *spot) []*spot { return s.left })
			}
		} else {
			for i := len(l.columns) - 2; i >= 0; i-- {
				arrange(l.columns[i], func(s *spot) []*spot { return s.right })
			}
		}
		if n := l.crossings(); n < fewest {
			best, fewest = l.snapshot(), n
		}
	}
	for i, c := range best {
		copy(l.columns[i], c)
		renumber(l.columns[i])
	}
}

func (l *layout[K]) snapshot() [][]*spot {
	out := make([][]*spot, len(l.columns))
	for i, c := range l.columns {
		out[i] = slices.Clone(c)
	}
	return out
}

func arrange(column []*spot, neighbours func(*spot) []*spot) {
	for _, s := range column {
		s.pull = float64(s.place)
		if n := neighbours(s); len(n) > 0 {
			sum := 0
			for _, o := range n {
				sum += o.place
			}
			s.pull = float64(sum) / float64(len(n))
		}
	}
	slices.SortStableFunc(column, func(a, b *spot) int { return cmp.Compare(a.pull, b.pull) })
	renumber(column)
}

func renumber(column []*spot) {
	for i, s := range column {
		s.place = i
	}
}

// crossings counts the pairs of edges that cross: the inversions among the ends of the edges
// in the order of their beginnings.
func (l *layout[K]) crossings() int {
	total := 0
	for i := 0; i+1 < len(l.columns); i++ {
		count := make([]int, len(l.columns[i+1])+1) // a Fenwick tree of ends so far
		ends := 0
		for _, s := range l.columns[i] {
			to := slices.DeleteFunc(slices.Clone(s.right), func(o *spot) bool { return o.column != i+1 })
			slices.SortFunc(to, func(a, b *spot) int { return cmp.Compare(a.place, b.place) })
			for _, o := range to {
				notAfter := 0
				for k := o.place + 1; k > 0; k -= k & -k {
					notAfter += count[k]
				}
				total += ends - notAfter
			}
			for _, o := range to {
				ends++
				for k := o.place + 1; k < len(count); k += k & -k {
					count[k]++
				}
			}
		}
	}
	return total
}
