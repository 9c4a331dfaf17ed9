package queue

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

func TestTimersComeDueInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := NewTimers[string](0)
		q.Set("late", 3*time.Second)
		q.Set("soon", time.Second)
		q.Set("moved", 10*time.Second)
		q.Set("moved", 2*time.Second)
		q.Set("stopped", time.Second)
		q.Stop("stopped")
		var got []string
		for q.Len() > 0 {
			wait, _ := q.Next()
			time.Sleep(wait)
			got = append(got, q.Due()...)
		}
		if want := []string{"soon", "moved", "late"}; !slices.Equal(got, want) {
			t.Errorf("due: %v, want %v", got, want)
		}
	})
}

func TestSetEarlierNeverPutsOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := NewTimers[int](0)
		q.Set(1, time.Second)
		q.SetEarlier(1, time.Minute)
		if left, _ := q.Left(1); left != time.Second {
			t.Errorf("put off to %s", left)
		}
		q.SetEarlier(1, time.Millisecond)
		if left, _ := q.Left(1); left != time.Millisecond {
			t.Errorf("left %s, want 1ms", left)
		}
	})
}

func TestDistantDeadlinesFallIntoSteps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := NewTimers[int](50 * time.Millisecond)
		for i := range 1000 {
			q.Set(i, time.Second+time.Duration(i)*time.Millisecond)
		}
		wakes := 0
		for q.Len() > 0 {
			wait, _ := q.Next()
			time.Sleep(wait)
			q.Due()
			wakes++
		}
		if wakes > 22 {
			t.Errorf("%d wake-ups for a second of deadlines, want one each 50 ms", wakes)
		}
		q.Set(0, 100*time.Millisecond)
		if left, _ := q.Left(0); left != 100*time.Millisecond {
			t.Errorf("a near deadline was moved to %s", left)
		}
	})
}

// Whatever is set, moved and stopped: nothing comes early, nothing is lost, order holds.
func TestTimersLaw(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := NewTimers[int](0)
		want := map[int]time.Duration{}
		for range rapid.IntRange(0, 60).Draw(t, "operations") {
			key := rapid.IntRange(0, 9).Draw(t, "key")
			if rapid.IntRange(0, 3).Draw(t, "what") == 0 {
				q.Stop(key)
				delete(want, key)
				continue
			}
			wait := time.Duration(rapid.IntRange(1, 1000).Draw(t, "hours")) * time.Hour
			q.Set(key, wait)
			want[key] = wait
		}
		if q.Len() != len(want) {
			t.Fatalf("%d deadlines, want %d", q.Len(), len(want))
		}
		for key := range want {
			if _, ok := q.Left(key); !ok {
				t.Fatalf("%d was lost", key)
			}
		}
		for i := range q.heap {
			if parent := (i - 1) / 2; i > 0 && q.heap[parent].at > q.heap[i].at {
				t.Fatal("the heap is out of order")
			}
			if q.heap[i].place != i {
				t.Fatal("an entry does not know its place")
			}
		}
	})
}

func TestGateBoundsAllAndEach(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all, each := rapid.IntRange(1, 5).Draw(t, "all"), rapid.IntRange(1, 3).Draw(t, "each")
		g := NewGate[int](all, each)
		groups := map[int]string{}
		running := map[string]int{}
		var inside, order []int
		added := 0
		take := func() {
			for {
				job, ok := g.Take()
				if !ok {
					return
				}
				inside = append(inside, job)
				order = append(order, job)
				running[groups[job]]++
				if len(inside) > all || groups[job] != "" && running[groups[job]] > each {
					t.Fatalf("too many run: %d in all, %d of %q", len(inside), running[groups[job]], groups[job])
				}
			}
		}
		for range rapid.IntRange(1, 80).Draw(t, "operations") {
			if rapid.Bool().Draw(t, "add") {
				groups[added] = rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "group")
				g.Add(added, groups[added])
				added++
			} else if len(inside) > 0 {
				i := rapid.IntRange(0, len(inside)-1).Draw(t, "which")
				job := inside[i]
				inside = slices.Delete(inside, i, i+1)
				running[groups[job]]--
				g.Done(groups[job])
			}
			take()
		}
		for len(inside) > 0 {
			job := inside[0]
			inside = inside[1:]
			running[groups[job]]--
			g.Done(groups[job])
			take()
		}
		if len(order) != added || g.Waiting() != 0 || g.Running() != 0 {
			t.Fatalf("%d of %d jobs were let in, %d wait", len(order), added, g.Waiting())
		}
		last := map[string]int{}
		for _, job := range order {
			if before, ok := last[groups[job]]; ok && before > job {
				t.Fatalf("%d overtook %d in group %q", before, job, groups[job])
			}
			last[groups[job]] = job
		}
	})
}

func BenchmarkTimers(b *testing.B) {
	q := NewTimers[*int](50 * time.Millisecond)
	keys := make([]int, 100_000)
	for i := range keys {
		q.Set(&keys[i], time.Duration(i)*time.Millisecond+time.Hour)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		q.Set(&keys[i%len(keys)], time.Hour+time.Duration(i)*time.Microsecond)
		i++
	}
}
