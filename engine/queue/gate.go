package queue

import "strconv"

// Gate lets a bounded number of jobs run, in all and for each group (a host). Jobs without a
// group are bounded in all alone. Those that have to wait are let in in the order in which
// they came, a group that is full being passed over. It is not safe for concurrent use.
type Gate[K comparable] struct {
	all, each int
	running   int
	groups    map[string]*group[K]
	turn      []*group[K] // groups with waiting jobs and room, in the order of their turns
	waiting   int
}

type group[K comparable] struct {
	name    string
	running int
	queue   []K
	listed  bool // in turn
}

// NewGate returns a gate for so many jobs in all, and in each named group.
func NewGate[K comparable](all, each int) *Gate[K] {
	return &Gate[K]{all: all, each: each, groups: map[string]*group[K]{}}
}

// Add puts a job behind those that wait. The caller makes sure that it does not wait already.
func (g *Gate[K]) Add(job K, name string) {
	gr := g.groups[name]
	if gr == nil {
		gr = &group[K]{name: name}
		g.groups[name] = gr
	}
	gr.queue = append(gr.queue, job)
	g.waiting++
	g.list(gr)
}

func (g *Gate[K]) room(gr *group[K]) bool {
	return gr.name == "" || gr.running < g.each
}

func (g *Gate[K]) list(gr *group[K]) {
	if !gr.listed && len(gr.queue) > 0 && g.room(gr) {
		gr.listed = true
		g.turn = append(g.turn, gr)
	}
}

// Take lets the next job in, if there is room. The caller says Done when it has ended.
func (g *Gate[K]) Take() (job K, ok bool) {
	if g.running >= g.all || len(g.turn) == 0 {
		return job, false
	}
	gr := g.turn[0]
	g.turn[0] = nil
	g.turn = g.turn[1:]
	gr.listed = false
	job, gr.queue[0] = gr.queue[0], job
	gr.queue = gr.queue[1:]
	gr.running++
	g.running++
	g.waiting--
	g.list(gr)
	return job, true
}

// Done says that a job of a group has ended. It panics where none of the group runs: a place
// that was never taken would let in more than the bounds allow from then on.
func (g *Gate[K]) Done(name string) {
	gr := g.groups[name]
	if gr == nil || gr.running == 0 {
		panic("queue: done with a job of " + strconv.Quote(name) + ", of which none runs")
	}
	gr.running--
	g.running--
	if gr.running == 0 && len(gr.queue) == 0 {
		delete(g.groups, name)
		return
	}
	g.list(gr)
}

// Waiting returns the number of jobs that were added and not taken.
func (g *Gate[K]) Waiting() int { return g.waiting }

// Running returns the number of jobs that were taken and are not done.
func (g *Gate[K]) Running() int { return g.running }
