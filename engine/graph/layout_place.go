package graph

import "slices"

// place finds the height of every spot: as near to its neighbours as those above and below
// in its column allow.
func (l *layout[K]) place() {
	for _, c := range l.columns {
		y := 0.0
		for i, s := range c {
			if i > 0 {
				y += l.gap(c[i-1], s)
			}
			s.y = y
			y += s.h
		}
	}
	for round := range 12 {
		for i := range l.columns {
			c := l.columns[i]
			if round%2 == 1 {
				c = l.columns[len(l.columns)-1-i]
			}
			l.settle(c)
		}
	}
	l.raise()
}

func (l *layout[K]) gap(a, b *spot) float64 {
	if a.node < 0 || b.node < 0 {
		return l.space.Lane
	}
	return l.space.Row
}

// block is a run of spots of a column that touch each other.
type block struct {
	from, to int     // spots of the column
	want     float64 // sum of where each would have the block begin
}

func (b block) y() float64 { return b.want / float64(b.to-b.from) }

// settle moves the spots of a column to the middle of their neighbours, with the least sum of
// squared distances that their order and the gaps leave: those that would overlap become one
// block that stands where they want it on average.
func (l *layout[K]) settle(column []*spot) {
	offset := make([]float64, len(column)) // of each spot if all touched each other
	var blocks []block
	for i, s := range column {
		if i > 0 {
			offset[i] = offset[i-1] + column[i-1].h + l.gap(column[i-1], s)
		}
		b := block{from: i, to: i + 1, want: wanted(s) - offset[i]}
		for len(blocks) > 0 && blocks[len(blocks)-1].y() > b.y() {
			last := blocks[len(blocks)-1]
			blocks = blocks[:len(blocks)-1]
			b = block{from: last.from, to: b.to, want: last.want + b.want}
		}
		blocks = append(blocks, b)
	}
	for _, b := range blocks {
		for i := b.from; i < b.to; i++ {
			column[i].y = b.y() + offset[i]
		}
	}
}

// wanted is where a spot would be amid its neighbours.
func wanted(s *spot) float64 {
	n := len(s.left) + len(s.right)
	if n == 0 {
		return s.y
	}
	sum := 0.0
	for _, o := range slices.Concat(s.left, s.right) {
		sum += o.center()
	}
	return sum/float64(n) - s.h/2
}

// raise moves everything so that the topmost spot is at zero.
func (l *layout[K]) raise() {
	top, any := 0.0, false
	for _, c := range l.columns {
		if len(c) > 0 && (!any || c[0].y < top) {
			top, any = c[0].y, true
		}
	}
	for _, c := range l.columns {
		for _, s := range c {
			s.y -= top
		}
	}
}

// drawing gives the columns their places from left to right.
func (l *layout[K]) drawing() *Drawing[K] {
	d := &Drawing[K]{}
	left, width := make([]float64, len(l.columns)), make([]float64, len(l.columns))
	for i, c := range l.columns {
		for _, s := range c {
			width[i] = max(width[i], s.w)
			d.Height = max(d.Height, s.y+s.h)
		}
		if i > 0 {
			left[i] = left[i-1] + width[i-1] + l.space.Column
		}
		d.Width = left[i] + width[i]
	}
	sorted, _ := l.g.ranks()
	for _, v := range sorted {
		s := l.first[v]
		d.Boxes = append(d.Boxes, Box[K]{l.g.keys[v], left[l.at[v]], s.y, width[l.at[v]], s.h})
	}
	for _, v := range sorted {
		for _, u := range l.g.users[v] {
			r := Route[K]{From: l.g.keys[v], To: l.g.keys[u]}
			r.Points = append(r.Points, Point{left[l.at[v]] + width[l.at[v]], l.first[v].center()})
			for column := l.at[v] + 1; column < l.at[u]; column++ {
				s := l.lanes[lane{v, column}]
				if s == nil {
					break // there are too many
				}
				y := s.center()
				r.Points = append(r.Points, Point{left[column], y}, Point{left[column] + width[column], y})
			}
			r.Points = append(r.Points, Point{left[l.at[u]], l.first[u].center()})
			d.Routes = append(d.Routes, r)
		}
	}
	return d
}
