package diff

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestUnified(t *testing.T) {
	for _, tt := range []struct {
		name, old, new string
		context        int
		want           string
	}{
		{name: "equal", old: "a\nb\n", new: "a\nb\n", context: 3, want: ""},
		{name: "both empty", context: 3, want: ""},
		{
			name: "one line changed", old: "a\nb\nc\n", new: "a\nB\nc\n", context: 3,
			want: "@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n",
		},
		{
			name: "from empty", old: "", new: "a\nb\n", context: 3,
			want: "@@ -0,0 +1,2 @@\n+a\n+b\n",
		},
		{
			name: "to empty", old: "a\n", new: "", context: 3,
			want: "@@ -1 +0,0 @@\n-a\n",
		},
		{
			name: "final newline lost", old: "a\nb\n", new: "a\nb", context: 3,
			want: "@@ -1,2 +1,2 @@\n a\n-b\n+b\n\\ No newline at end of file\n",
		},
		{
			name: "final newline gained", old: "b", new: "b\n", context: 3,
			want: "@@ -1 +1 @@\n-b\n\\ No newline at end of file\n+b\n",
		},
		{
			name: "no final newline on either side", old: "a\nz", new: "b\nz", context: 3,
			want: "@@ -1,2 +1,2 @@\n-a\n+b\n z\n\\ No newline at end of file\n",
		},
		{
			name: "line endings", old: "a\r\nb\r\n", new: "a\nb\r\n", context: 3,
			want: "@@ -1,2 +1,2 @@\n-a\r\n+a\n b\r\n",
		},
		{
			name: "no context", old: "a\nb\nc\n", new: "a\nc\nd\n", context: 0,
			want: "@@ -2 +1,0 @@\n-b\n@@ -3,0 +3 @@\n+d\n",
		},
		{
			name: "negative context is none", old: "a\nb\n", new: "a\nc\n", context: -5,
			want: "@@ -2 +2 @@\n-b\n+c\n",
		},
		{
			name: "hunks whose context touches are one", old: "1\n2\n3\n4\n", new: "x\n2\n3\ny\n", context: 1,
			want: "@@ -1,4 +1,4 @@\n-1\n+x\n 2\n 3\n-4\n+y\n",
		},
		{
			name: "hunks apart", old: "1\n2\n3\n4\n5\n", new: "x\n2\n3\n4\ny\n", context: 1,
			want: "@@ -1,2 +1,2 @@\n-1\n+x\n 2\n@@ -4,2 +4,2 @@\n 4\n-5\n+y\n",
		},
		{
			name: "all the context there is", old: "1\n2\n3\n4\n5\n", new: "x\n2\n3\n4\ny\n", context: math.MaxInt,
			want: "@@ -1,5 +1,5 @@\n-1\n+x\n 2\n 3\n 4\n-5\n+y\n",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want := tt.want
			if want != "" {
				want = "--- old\n+++ new\n" + want
			}
			got := LineDiff([]byte(tt.old), []byte(tt.new), tt.context).Unified("old", "new")
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("Unified (-want +got):\n%s", d)
			}
		})
	}
}

func TestUnifiedNames(t *testing.T) {
	l := LineDiff([]byte("a\n"), []byte("b\n"), 3)
	for name, want := range map[string]string{
		"plain":          "--- plain\n",
		"with space":     "--- with space\t\n",
		"/dev/null":      "--- /dev/null\n",
		"new\nline":      "--- \"new\\012line\"\n",
		`a"b\c d`:        `--- "a\"b\\c d"` + "\n",
		"grün":           "--- grün\n",
		"esc\x1b[31mred": "--- \"esc\\033[31mred\"\n",
	} {
		if got := l.Unified(name, "x"); !strings.HasPrefix(got, want) {
			t.Errorf("Unified(%q) begins with %q, want %q", name, got, want)
		}
	}
}

func TestDifferenceIsNeverSilent(t *testing.T) {
	big := strings.Repeat("line\n", MaxBytes/5)
	var distinct strings.Builder
	for i := range maxDistinct + 1 {
		fmt.Fprintln(&distinct, i)
	}
	for _, tt := range []struct {
		name, old, new  string
		binary, shorten bool
		summary         string
	}{
		{name: "NUL", old: "a\x00", new: "b", binary: true, summary: "Binary files o and n differ\n"},
		{name: "NUL in new", old: "a", new: "b\x00", binary: true, summary: "Binary files o and n differ\n"},
		{name: "different invalid UTF-8", old: "\xff", new: "\xfe", binary: true, summary: "Binary files o and n differ\n"},
		{name: "too many bytes", old: big, new: "xx", shorten: true, summary: "Files o and n differ (not shown: 16777217 bytes on both sides, more than 16777216)\n"},
		{name: "too many changes", old: big[:5*MaxChanged], new: "x\n", shorten: true, summary: "Files o and n differ (not shown: 1 lines added and 200000 removed, more than 200000)\n"},
		{name: "too many distinct lines", old: distinct.String(), new: "x\n", shorten: true, summary: "Files o and n differ (not shown: more than 1000000 different lines)\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := LineDiff([]byte(tt.old), []byte(tt.new), 3)
			if l.Binary != tt.binary || (l.Truncated != "") != tt.shorten || len(l.Hunks) > 0 {
				t.Errorf("Binary %t, Truncated %q, %d hunks", l.Binary, l.Truncated, len(l.Hunks))
			}
			if l.OldSize != len(tt.old) || l.NewSize != len(tt.new) {
				t.Errorf("sizes %d and %d, want %d and %d", l.OldSize, l.NewSize, len(tt.old), len(tt.new))
			}
			if got := l.Unified("o", "n"); got != tt.summary {
				t.Errorf("Unified = %.200q, want %q", got, tt.summary)
			}
		})
	}
}

func TestManyLinesWithFewChangesHaveHunks(t *testing.T) {
	var old strings.Builder
	for i := range 300_000 {
		fmt.Fprintln(&old, i)
	}
	l := LineDiff([]byte(old.String()), []byte(strings.Replace(old.String(), "\n777\n", "\nx\n", 1)), 1)
	if len(l.Hunks) != 1 || l.Added != 1 || l.Removed != 1 || l.Truncated != "" {
		t.Errorf("%d hunks, +%d -%d, Truncated %q; want one line changed", len(l.Hunks), l.Added, l.Removed, l.Truncated)
	}
}

// TestCostlyDiffIsCoarse gives lines that repeat so much that nothing holds them in place.
func TestCostlyDiffIsCoarse(t *testing.T) {
	old, new := shuffled(60_000, 7), shuffled(60_000, 11)
	l := LineDiff([]byte(old), []byte(new), 3)
	if !l.Coarse || len(l.Hunks) == 0 {
		t.Errorf("Coarse %t with %d hunks, want a coarse diff", l.Coarse, len(l.Hunks))
	}
	checkApplies(t, l, old, new)
}

// shuffled returns n lines out of five in an order that looks random.
func shuffled(n int, x uint32) string {
	var b strings.Builder
	for range n {
		x = x*1664525 + 1013904223
		fmt.Fprintf(&b, "line %d\n", x>>24%5)
	}
	return b.String()
}

func TestLineDiffApplies(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		old, new := drawTexts(t)
		l := LineDiff([]byte(old), []byte(new), rapid.IntRange(0, 4).Draw(t, "context"))
		if (old == new) != (len(l.Hunks) == 0) {
			t.Fatalf("equal is %t, with %d hunks", old == new, len(l.Hunks))
		}
		checkApplies(t, l, old, new)
	})
}

func TestSmallLineDiffIsMinimal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		old, new := drawTexts(t)
		l := LineDiff([]byte(old), []byte(new), 3)
		a, b := splitLines([]byte(old)), splitLines([]byte(new))
		if got, want := l.Added+l.Removed, len(a)+len(b)-2*longestCommon(a, b); got != want || l.Coarse {
			t.Fatalf("%d lines changed, want %d (coarse %t)", got, want, l.Coarse)
		}
	})
}

// drawTexts returns a text out of few lines, and another or an edited copy of it.
func drawTexts(t *rapid.T) (old, new string) {
	line := rapid.SampledFrom([]string{"a", "b", "c", "", " ", "a\r", "-- x", "++ x", "@@ -1 +1 @@", "\\", "ü", "\x1b[2J", "\r"})
	lines := rapid.SliceOfN(line, 0, 30)
	end := rapid.SampledFrom([]string{"", "\n"})
	a := lines.Draw(t, "old")
	b := lines.Draw(t, "new")
	if rapid.Bool().Draw(t, "edited") {
		from := rapid.IntRange(0, len(a)).Draw(t, "from")
		to := rapid.IntRange(from, len(a)).Draw(t, "to")
		b = append(append(append([]string{}, a[:from]...), b[:min(3, len(b))]...), a[to:]...)
	}
	return strings.Join(a, "\n") + end.Draw(t, "oldEnd"), strings.Join(b, "\n") + end.Draw(t, "newEnd")
}

func longestCommon(a, b []string) int {
	best := make([][]int, len(a)+1)
	best[len(a)] = make([]int, len(b)+1)
	for i := len(a) - 1; i >= 0; i-- {
		best[i] = make([]int, len(b)+1)
		for j := len(b) - 1; j >= 0; j-- {
			best[i][j] = max(best[i+1][j], best[i][j+1])
			if a[i] == b[j] {
				best[i][j] = best[i+1][j+1] + 1
			}
		}
	}
	return best[0][0]
}
