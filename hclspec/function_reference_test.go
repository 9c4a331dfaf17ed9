package hclspec

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEveryFunctionIsInOneGroup(t *testing.T) {
	var grouped []string
	for _, g := range functionGroups {
		names := strings.Fields(g.names)
		if !slices.IsSorted(names) {
			t.Errorf("%s is not sorted", g.title)
		}
		grouped = append(grouped, names...)
	}
	slices.Sort(grouped)
	if diff := cmp.Diff(slices.Sorted(maps.Keys(Signatures())), grouped); diff != "" {
		t.Errorf("groups (-functions +grouped):\n%s", diff)
	}
}
