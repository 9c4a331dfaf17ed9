package cli_test

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

// The page of commands lists the commands there are.
func TestCommandsAreListed(t *testing.T) {
	_, help := tidegate(t, "--help")
	_, help, _ = strings.Cut(help, "Available Commands:\n")
	help, _, _ = strings.Cut(help, "\n\n")
	have := firstWords(`(?m)^  ([a-z]+) `, help)
	have = slices.DeleteFunc(have, func(name string) bool { return name == "help" })
	if diff := cmp.Diff(have, documentedCommands(t)); diff != "" {
		t.Errorf("docs/commands.md (-commands +listed):\n%s", diff)
	}
}

func documentedCommands(t *testing.T) []string {
	_, block, _ := strings.Cut(readText(t, filepath.Join(moduleRoot, "docs", "commands.md")), "```\n")
	block, _, _ = strings.Cut(block, "```")
	return firstWords(`(?m)^tidegate ([a-z]+)`, block)
}

func firstWords(pattern, text string) []string {
	var out []string
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		out = append(out, m[1])
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Where the page of commands says which commands take a flag, these do and no others.
func TestSharedFlagsAreThoseOfTheCommands(t *testing.T) {
	_, section, _ := strings.Cut(readText(t, filepath.Join(moduleRoot, "docs", "commands.md")), "\n## Flags that several share\n")
	section, _, _ = strings.Cut(section, "\n## ")
	commands := documentedCommands(t)
	var of []string
	for _, row := range regexp.MustCompile("(?m)^\\| `--([a-z-]+)[^|]*\\| ([^|]*) \\|").FindAllStringSubmatch(section, -1) {
		switch row[2] {
		case "most", "all that use the state":
			continue
		case "the same":
		default:
			of = strings.Split(row[2], ", ")
		}
		for _, command := range commands {
			_, help := tidegate(t, command, "--help")
			takes := regexp.MustCompile(`(?m)^ +--` + row[1] + `\b`).MatchString(help)
			if says := slices.Contains(of, command); takes != says {
				t.Errorf("--%s of %s: takes it %t, the page says %t", row[1], command, takes, says)
			}
		}
	}
	if of == nil {
		t.Error("the page has no such table")
	}
}

// The page about reviews shows what a script proves to be printed.
func TestReviewShowsWhatIsPrinted(t *testing.T) {
	archive, err := txtar.ParseFile(filepath.Join(moduleRoot, "testdata", "script", "review.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	page := readText(t, filepath.Join(moduleRoot, "docs", "review.md"))
	shown := 0
	for _, f := range archive.Files {
		command, ok := map[string]string{"plan.txt": "tidegate plan", "summary.txt": "tidegate plan --summary"}[f.Name]
		if !ok {
			continue
		}
		shown++
		if block := "```console\n$ " + command + "\n" + string(f.Data) + "```\n"; !strings.Contains(page, block) {
			t.Errorf("docs/review.md does not show what %s prints:\n%s", command, block)
		}
	}
	if shown != 2 {
		t.Errorf("the script has %d of 2 outputs", shown)
	}
}
