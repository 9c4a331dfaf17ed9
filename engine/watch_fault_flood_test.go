//go:build unix

package engine_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// W11, W12: kill -9 in a flood over many names, whose rows are written in parts. Of every name the
// newest value that was answered with 200 survives, or one that was sent later, and no target
// goes back.
func TestWatchW12KilledInAFlood(t *testing.T) {
	t.Parallel()
	const names = 32
	var config strings.Builder
	for i := range names {
		fmt.Fprintf(&config, "source \"webhook\" \"n%[1]d\" {}\nsink \"file\" \"n%[1]d\" {\n  path    = \"n%[1]d.json\"\n  content = jsonencode(source.webhook.n%[1]d.value)\n}\n", i)
	}
	m := newModule(t, "main.hcl", config.String())
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: names}}
	defer client.CloseIdleConnections()
	random := rand.New(rand.NewPCG(11, 12))
	rounds := 5
	if raceEnabled || testing.Short() {
		rounds = 2
	}
	var sent, taken, held [names]int
	for range rounds {
		s := m.serve("--listen", "127.0.0.1:0")
		address := s.address()
		over := time.After(time.Duration(random.Int64N(int64(600 * time.Millisecond))))
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() { <-over; s.kill(); cancel() })
		for i := range names {
			all.Go(func() {
				for {
					sent[i]++
					status := postTo(ctx, client, address, fmt.Sprintf(`{"config_name":"n%d","config_data":{"v":%d}}`, i, sent[i]), fmt.Sprintf("n%d_%d", i, sent[i]))
					if status == 0 {
						return
					}
					if status == http.StatusTooManyRequests {
						sent[i]-- // beyond what one client may send; it was not taken and comes again
						continue
					}
					if status != http.StatusOK {
						t.Errorf("value %d of name %d was answered with %d", sent[i], i, status)
						return
					}
					taken[i] = sent[i]
				}
			})
		}
		all.Wait()
		for i := range names {
			now := m.v(fmt.Sprintf("n%d.json", i))
			if now < held[i] || now > sent[i] {
				t.Errorf("name %d: the target holds %d after %d, of %d that were sent", i, now, held[i], sent[i])
			}
			held[i] = now
		}
	}
	if taken == [names]int{} {
		t.Error("nothing was taken in")
	}
	s := m.serve("--listen", "127.0.0.1:0")
	for i := range names {
		eventually(t, fmt.Sprintf("value %d of name %d, which was answered with 200, is in use\n%s", taken[i], i, s.log), func() bool {
			return m.v(fmt.Sprintf("n%d.json", i)) >= taken[i]
		})
	}
	// The first request comes again, as from a sender that did not hear of its answer.
	if status := postTo(t.Context(), client, s.address(), `{"config_name":"n0","config_data":{"v":1}}`, "n0_1"); taken[0] > 0 && status != http.StatusOK {
		t.Errorf("a repeated request was answered with %d", status)
	}
	if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if code := s.wait(); code != 0 {
		t.Errorf("exit code %d\n%s", code, s.log)
	}
	if v := m.v("n0.json"); v < taken[0] {
		t.Errorf("a repeated request brought %d back", v)
	}
}
