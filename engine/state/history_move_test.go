package state

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"tidegate/hclspec/address"
)

// The history of an address goes on with that of what it was called before, in both stores, and not
// with what another one did later under a name that was given up.
func TestHistoryFollowsMoves(t *testing.T) {
	at := time.Unix(1, 0).UTC()
	of := func(name string) address.Address { return address.Of(address.Sink, "file", name) }
	update := func(name string) Entry { return Entry{Address: of(name), Time: at, Action: "update"} }
	steps := []Entry{
		update("a"), update("b"), // 1, 2
		MoveEntry(of("a"), of("c"), at), // 3
		update("a"), update("c"),        // 4 is of another one that is called a, 5
		MoveEntry(of("c"), of("d"), at), update("d"), // 6, 7
		MoveEntry(of("d"), of("c"), at), update("c"), // 8, 9: and back
	}
	for name, s := range map[string]Store{"local": mustOpen(t, testPath(t)), "memory": NewMemory()} {
		for i := range steps {
			mustCommit(t, s, &Batch{History: steps[i : i+1]})
		}
		for _, c := range []struct {
			of    string
			limit int
			want  string
		}{
			{"c", 0, "9c 8c 7d 6d 5c 3c 1a"},
			{"c", 3, "9c 8c 7d"},
			{"c", 1, "9c"},
			{"d", 0, "7d 6d 5c 3c 1a"},
			{"a", 0, "4a 1a"},
			{"b", 0, "2b"},
		} {
			entries, err := s.History(t.Context(), of(c.of), c.limit)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, e := range entries {
				got = append(got, fmt.Sprintf("%d%s", e.ID, e.Address.Name))
			}
			if got := strings.Join(got, " "); got != c.want {
				t.Errorf("%s: of %s at most %d: %s, want %s", name, c.of, c.limit, got, c.want)
			}
		}
	}
}
