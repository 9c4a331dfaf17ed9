package cli_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tidegate/engine/cli"
	"tidegate/hclspec"
	"tidegate/providers/all"
)

// examples runs every folder of examples/: a try breaks something, and puts it right again.
var examples = map[string]struct {
	alone bool                                    // it is no configuration that is applied here
	flags func(t *testing.T, e *example) []string // further flags of every command
	try   func(t *testing.T, e *example)
}{
	"quickstart": {try: tryQuickstart},
	"http-etag":  {try: tryHTTP, flags: serveExample},
	"schema":     {try: trySchema},
	"services":   {try: tryServices},
	"watch":      {try: tryWatch},
	"webhook":    {try: tryWebhook, flags: hookSecret},
	"systemd":    {alone: true, try: trySystemd},
	"testing":    {alone: true, try: tryTesting},
	"ci":         {alone: true, try: tryCI},
}

func TestExamples(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the examples run sh")
	}
	dirs, err := os.ReadDir(filepath.Join(moduleRoot, "examples"))
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range dirs {
		run, ok := examples[d.Name()]
		if !ok {
			t.Errorf("examples/%s is run by no test", d.Name())
			continue
		}
		t.Run(d.Name(), func(t *testing.T) {
			e := copyExample(t, d.Name())
			if run.flags != nil {
				e.flags = run.flags(t, e)
			}
			if run.alone {
				run.try(t, e)
				return
			}
			e.says(t, 0, "Success! The configuration is valid.", "validate")
			e.says(t, 0, " to add, 0 to change, 0 to destroy.", "plan")
			for _, name := range []string{"out", ".tidegate"} {
				if _, err := os.Stat(filepath.Join(e.dir, name)); err == nil {
					t.Errorf("plan made %s", name)
				}
			}
			e.says(t, 0, "Apply complete: ", "apply", "--auto-approve")
			e.settled(t)
			run.try(t, e)
			e.settled(t)
			if !strings.Contains(e.read(t, "README.md"), "tidegate") {
				t.Error("README.md does not say how the example is run")
			}
		})
	}
	if len(dirs) != len(examples) {
		t.Errorf("%d examples are tested, %d are there", len(examples), len(dirs))
	}
}

// settled expects that nothing is left to do, and that finding that out changes nothing.
func (e *example) settled(t *testing.T) {
	t.Helper()
	before := e.out(t)
	e.says(t, 0, "No changes.", "apply", "--auto-approve")
	e.says(t, 0, "No changes.", "plan", "--detailed-exitcode")
	if diff := cmp.Diff(before, e.out(t)); diff != "" {
		t.Errorf("an apply without changes changed something (-before +after):\n%s", diff)
	}
}

func tryQuickstart(t *testing.T, e *example) {
	good := e.read(t, "site.json")
	settings := e.read(t, "out/settings.yaml")
	if !strings.Contains(settings, `"timeout_seconds": 10`) || !strings.Contains(settings, `"log_level": "info"`) {
		t.Errorf("the two files are not merged:\n%s", settings)
	}

	// A rejected value changes nothing, and all findings come at once.
	e.write(t, "site.json", `{"api_url": "ftp://example.com", "timeout_seconds": 900}`)
	before := e.out(t)
	e.says(t, 1, "timeout_seconds must be from 1 to 300, got 900.", "plan")
	e.says(t, 1, "api_url must be an http(s) URL, got ftp://example.com.", "apply", "--auto-approve")
	e.unchanged(t, before)

	// A file that vanished is no empty value.
	e.remove(t, "site.json")
	e.says(t, 1, "The accepted value stays in use.", "apply", "--auto-approve")
	e.unchanged(t, before)
	e.write(t, "site.json", good)
	e.settled(t)

	// White space is no change of the value.
	e.write(t, "site.json", strings.ReplaceAll(good, "\n", "\n\n"))
	e.says(t, 0, "", "apply", "--auto-approve")
	e.unchanged(t, before)

	// A new value reaches the file, and the program hears what changed.
	e.write(t, "site.json", strings.Replace(good, "10", "20", 1))
	e.says(t, 0, "~ timeout_seconds: 10 -> 20", "plan")
	e.says(t, 0, "0 added, 2 changed, 0 destroyed, 1 value accepted.", "apply", "--auto-approve")
	change := `reloaded: [{"address":"source.file.site","path":"timeout_seconds","action":"change","before":10,"after":20}]`
	if log := strings.Split(strings.TrimSpace(e.read(t, "out/reload.log")), "\n"); len(log) != 2 || log[1] != change {
		t.Errorf("reload.log: %q", log)
	}

	// An edit behind our back is repaired, which triggers too.
	good = e.read(t, "out/settings.yaml")
	e.write(t, "out/settings.yaml", "mine\n")
	e.says(t, 2, "sink.file.settings will be repaired", "plan", "--detailed-exitcode")
	e.says(t, 0, "0 added, 2 changed", "apply", "--auto-approve")
	if e.read(t, "out/settings.yaml") != good || strings.Count(e.read(t, "out/reload.log"), "\n") != 3 {
		t.Errorf("after the repair: %q, %q", e.read(t, "out/settings.yaml"), e.read(t, "out/reload.log"))
	}
}

// service answers with an ETag, and counts.
type service struct {
	sync.Mutex
	body          string
	status        int // instead of an answer, 0 for none
	full, notmods int
}

// exampleService is the one that the running test asks.
var exampleService *service

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.Lock()
	defer s.Unlock()
	if s.status != 0 {
		http.Error(w, "out of order", s.status)
		return
	}
	sum := sha256.Sum256([]byte(s.body))
	etag := `"` + hex.EncodeToString(sum[:8]) + `"`
	w.Header().Set("ETag", etag)
	if r.Header.Get("If-None-Match") == etag {
		s.notmods++
		w.WriteHeader(http.StatusNotModified)
		return
	}
	s.full++
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprint(w, s.body)
}

func (s *service) set(body string, status int) {
	s.Lock()
	defer s.Unlock()
	s.body, s.status = body, status
}

func (s *service) counts() (full, notmods int) {
	s.Lock()
	defer s.Unlock()
	return s.full, s.notmods
}

func serveExample(t *testing.T, e *example) []string {
	exampleService = &service{body: e.read(t, "service/myapp.json")}
	server := httptest.NewServer(exampleService)
	t.Cleanup(server.Close)
	return []string{"--var", "url=" + server.URL + "/myapp.json"}
}

func tryHTTP(t *testing.T, e *example) {
	good := e.read(t, "service/myapp.json")
	// One answer for the plan and one for the apply; from then on the service says 304.
	full, notmods := exampleService.counts()
	if full != 2 || notmods < 2 {
		t.Errorf("%d full answers and %d times 304", full, notmods)
	}
	e.says(t, 0, "No changes.", "apply", "--auto-approve")
	if f, n := exampleService.counts(); f != full || n != notmods+1 {
		t.Errorf("the next look brought %d full answers and %d times 304", f-full, n-notmods)
	}

	before := e.out(t)
	for status, want := range map[int]string{
		http.StatusInternalServerError: "500", http.StatusNotFound: "404",
	} {
		exampleService.set(good, status)
		e.says(t, 1, want, "apply", "--auto-approve")
		e.unchanged(t, before)
	}
	exampleService.set(`{"api_url": "ftp://example.com"}`, 0)
	e.says(t, 1, "api_url must be an http(s) URL, got ftp://example.com.", "apply", "--auto-approve")
	e.unchanged(t, before)
	exampleService.set("", 0)
	e.says(t, 1, "The accepted value stays in use.", "apply", "--auto-approve")
	e.unchanged(t, before)
	exampleService.set(good, 0)
	e.settled(t)

	exampleService.set(strings.Replace(good, "10", "20", 1), 0)
	e.says(t, 0, "~ timeout_seconds: 10 -> 20", "apply", "--auto-approve")
	if got := e.read(t, "out/myapp.json"); got != `{"api_url":"https://api.example.com","timeout_seconds":20}`+"\n" {
		t.Errorf("the file holds %s", got)
	}
	if n := strings.Count(e.read(t, "out/reload.log"), "\n"); n != 2 {
		t.Errorf("%d reloads", n)
	}

	// Where nothing was ever accepted the fallback stands in, and says so.
	fresh := copyExample(t, "http-etag")
	fresh.flags = e.flags
	exampleService.set("", http.StatusServiceUnavailable)
	fresh.says(t, 1, "The fallback stands in.", "apply", "--auto-approve")
	if got := fresh.read(t, "out/myapp.json"); !strings.Contains(got, "http://localhost:8000") {
		t.Errorf("instead of the fallback the file holds %s", got)
	}
	// It never replaces what somebody else wrote.
	foreign := copyExample(t, "http-etag")
	foreign.flags = e.flags
	if err := os.Mkdir(foreign.path("out"), 0o755); err != nil {
		t.Fatal(err)
	}
	foreign.write(t, "out/myapp.json", "mine\n")
	before = foreign.out(t)
	foreign.says(t, 1, "a fallback never replaces what somebody else wrote", "apply", "--auto-approve")
	foreign.unchanged(t, before)

	// The first accepted answer takes its place; the eleventh within a minute waits.
	for i := range 10 {
		exampleService.set(fmt.Sprintf(`{"api_url": "https://api.example.com", "timeout_seconds": %d}`, 50+i), 0)
		fresh.says(t, 0, "1 value accepted.", "apply", "--auto-approve")
	}
	exampleService.set(strings.Replace(good, "10", "20", 1), 0)
	before = fresh.out(t)
	fresh.says(t, 0, "rate_limit.sliding_window.gentle lets the next update pass at ", "apply", "--auto-approve")
	fresh.says(t, 2, "1 deferred.", "plan", "--detailed-exitcode")
	fresh.unchanged(t, before)
}

func trySchema(t *testing.T, e *example) {
	good, before := e.read(t, "services.yaml"), e.out(t)
	if got := e.read(t, "out/ports.json"); got != `{"metrics":9090,"web":8080}`+"\n" {
		t.Errorf("the file holds %s", got)
	}
	e.write(t, "services.yaml", strings.NewReplacer("web", "Web", "8080", "80800", "public", "pubic").Replace(good))
	for _, finding := range []string{"services[0].name: ", "services[0].port: ", `has "pubic"`, "The accepted value stays in use."} {
		e.says(t, 1, finding, "apply", "--auto-approve")
	}
	e.unchanged(t, before)
	// A schema that changed judges the accepted value again.
	schema := e.read(t, "services.schema.json")
	e.write(t, "services.yaml", good)
	e.write(t, "services.schema.json", strings.Replace(schema, "65535", "8000", 1))
	e.says(t, 1, "must be at most 8000", "plan")
	e.write(t, "services.schema.json", schema)
}

func tryServices(t *testing.T, e *example) {
	good := e.read(t, "services.yaml")
	if got := e.read(t, "out/index.json"); got != `{"metrics":9090,"web":8080}`+"\n" {
		t.Errorf("the index holds %s", got)
	}
	if got := e.read(t, "out/web.env"); !strings.Contains(got, "PORT=8080") || !strings.Contains(got, "LOG_LEVEL=info") {
		t.Errorf("the file holds %s", got)
	}
	e.write(t, "services.yaml", strings.NewReplacer("8080", "80").Replace(good)+"extra:\n  port: 7070\n")
	e.says(t, 1, "The port of web is 80, and services have one from 1025 on.", "plan")
	e.says(t, 0, `module.service["extra"].sink.file.config will be created`, "plan", "--target", `module.service["extra"]`)
	e.write(t, "services.yaml", strings.NewReplacer("metrics", "status").Replace(good))
	e.says(t, 0, "1 added, 1 changed, 1 destroyed", "apply", "--auto-approve")
	if _, err := os.Stat(filepath.Join(e.dir, "out/metrics.env")); err == nil {
		t.Error("the file of a service that is gone is still there")
	}
	e.write(t, "services.yaml", "{}\n")
	before := e.out(t)
	e.says(t, 1, "empty", "apply", "--auto-approve")
	e.unchanged(t, before)
	e.write(t, "services.yaml", strings.NewReplacer("metrics", "status").Replace(good))
}

// example is a copy of one of the examples.
type example struct {
	dir   string
	flags []string
}

func copyExample(t *testing.T, name string) *example {
	t.Helper()
	e := &example{dir: filepath.Join(t.TempDir(), "examples", name)}
	copyTree(t, filepath.Join(moduleRoot, "examples", name), e.dir)
	return e
}

// copyTree copies a directory without what running it leaves.
func copyTree(t *testing.T, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(name string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(from, name)
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "out" || d.Name() == ".tidegate"):
			return filepath.SkipDir
		case d.IsDir():
			return os.MkdirAll(filepath.Join(to, rel), 0o755)
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), data, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// says runs a command on the example and expects an exit code and a text.
func (e *example) says(t *testing.T, code int, want string, args ...string) {
	t.Helper()
	args = slices.Concat(args, e.flags, []string{e.dir})
	got, out := tidegate(t, args...)
	if got != code || !strings.Contains(out, want) {
		t.Fatalf("tidegate %s: exit code %d, want %d and %q:\n%s", strings.Join(args, " "), got, code, want, out)
	}
}

// tidegate runs the tool in this process and returns its exit code and what it printed, as
// on a terminal that shows stdout and stderr together.
func tidegate(t *testing.T, args ...string) (int, string) {
	t.Helper()
	var out together
	code := cli.Run(t.Context(), cli.Process{
		Args: args, Stdin: strings.NewReader(""), Stdout: &out, Stderr: &out, Environ: os.Environ(),
	}, all.Kinds())
	return code, out.String()
}

// together takes what several goroutines write.
type together struct {
	sync.Mutex
	strings.Builder
}

func (w *together) Write(p []byte) (int, error) {
	w.Lock()
	defer w.Unlock()
	return w.Builder.Write(p)
}

func (w *together) String() string {
	w.Lock()
	defer w.Unlock()
	return w.Builder.String()
}

func (e *example) path(name string) string { return filepath.Join(e.dir, filepath.FromSlash(name)) }

func (e *example) read(t *testing.T, name string) string {
	t.Helper()
	return readText(t, e.path(name))
}

func readText(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func (e *example) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(e.path(name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (e *example) remove(t *testing.T, name string) {
	t.Helper()
	if err := os.Remove(e.path(name)); err != nil {
		t.Fatal(err)
	}
}

// out returns the files below out/, by name.
func (e *example) out(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	entries, err := os.ReadDir(e.path("out"))
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range entries {
		info, err := d.Info()
		if err != nil {
			t.Fatal(err)
		}
		files[d.Name()] = fmt.Sprintf("%s %s %s", info.Mode(), info.ModTime(), e.read(t, "out/"+d.Name()))
	}
	return files
}

func (e *example) unchanged(t *testing.T, before map[string]string) {
	t.Helper()
	if diff := cmp.Diff(before, e.out(t)); diff != "" {
		t.Fatalf("out/ changed (-before +after):\n%s", diff)
	}
}

// The README shows what plan and apply of the quickstart print. -update writes it anew.
func TestReadmeShowsWhatIsPrinted(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the examples run sh")
	}
	readme, err := filepath.Abs(filepath.Join(moduleRoot, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	text := readText(t, readme)
	root := t.TempDir()
	copyTree(t, filepath.Join(moduleRoot, "examples", "quickstart"), filepath.Join(root, "examples", "quickstart"))
	t.Chdir(root)
	commands := 0
	for _, block := range fences(text, "console") {
		line, _, _ := strings.Cut(block, "\n")
		args, ok := strings.CutPrefix(line, "$ tidegate ")
		if !ok {
			t.Errorf("the block does not begin with a command: %s", line)
			continue
		}
		commands++
		code, out := tidegate(t, strings.Fields(args)...)
		if code != 0 {
			t.Fatalf("%s: exit code %d\n%s", line, code, out)
		}
		want := line + "\n" + strings.ReplaceAll(out, root, "/home/you/tidegate")
		if *update {
			text = strings.Replace(text, block, want, 1)
			continue
		}
		if diff := cmp.Diff(normalised(want), normalised(block)); diff != "" {
			t.Errorf("%s: go test ./engine/cli -run Readme -update writes it anew (-printed +README):\n%s", line, diff)
		}
	}
	if commands < 2 {
		t.Errorf("README.md shows %d commands, not plan and apply", commands)
	}
	if *update {
		if err := os.WriteFile(readme, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

var (
	spentTime = regexp.MustCompile(`in (under 1ms|[0-9.]+m?s)\b`)
	shortHash = regexp.MustCompile(`sha256:[0-9a-f]+`)
)

// normalised replaces what differs from run to run.
func normalised(s string) string {
	return shortHash.ReplaceAllString(spentTime.ReplaceAllString(s, "in 5ms"), "sha256:0123456789ab")
}

// The HCL of one page is one configuration, and it validates. A block marked "hcl alone"
// is one by itself.
func TestDocumentedHCLValidates(t *testing.T) {
	pages := []string{filepath.Join(moduleRoot, "README.md")}
	for _, pattern := range []string{"docs/*.md", "docs/decisions/*.md", "examples/*/README.md"} {
		found, err := filepath.Glob(filepath.Join(moduleRoot, filepath.FromSlash(pattern)))
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, found...)
	}
	count := 0
	for _, page := range pages {
		text := readText(t, page)
		configurations := fences(text, "hcl alone")
		if whole := fences(text, "hcl"); len(whole) > 0 {
			configurations = append(configurations, strings.Join(whole, "\n"))
		}
		for _, src := range configurations {
			count++
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "main.hcl"), []byte(src), 0o644); err != nil {
				t.Fatal(err)
			}
			if code, out := tidegate(t, "validate", dir); code != 0 {
				t.Errorf("%s: exit code %d\n%s", page, code, out)
			}
		}
	}
	if count == 0 {
		t.Error("no page shows any HCL")
	}
}

// The page about functions lists the functions there are.
func TestFunctionsAreListed(t *testing.T) {
	page := readText(t, filepath.Join(moduleRoot, "docs", "reference", "functions.md"))
	var listed []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z0-9]+)\\(").FindAllStringSubmatch(page, -1) {
		listed = append(listed, m[1])
	}
	slices.Sort(listed)
	have := slices.Sorted(maps.Keys(hclspec.Functions(hclspec.FunctionOptions{ModuleDir: "/"})))
	if diff := cmp.Diff(have, listed); diff != "" {
		t.Errorf("docs/reference/functions.md (-functions +listed):\n%s", diff)
	}
}

// Links between pages lead somewhere.
func TestLinksOfDocsLead(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)
	for _, top := range []string{"README.md", "docs", "examples"} {
		err := filepath.WalkDir(filepath.Join(moduleRoot, top), func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || filepath.Ext(name) != ".md" {
				return err
			}
			for _, m := range link.FindAllStringSubmatch(readText(t, name), -1) {
				if _, err := os.Stat(filepath.Join(filepath.Dir(name), filepath.FromSlash(m[1]))); err != nil {
					t.Errorf("%s: the link to %s leads nowhere", name, m[1])
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// fences returns the contents of a page's fenced blocks with the given info string.
func fences(text, info string) []string {
	var out []string
	var block []string
	inside := ""
	for line := range strings.Lines(text) {
		fence, isFence := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "```")
		switch {
		case isFence && inside == "":
			inside, block = "```"+fence, nil
		case isFence:
			if inside == "```"+info {
				out = append(out, strings.Join(block, ""))
			}
			inside = ""
		case inside != "":
			block = append(block, line)
		}
	}
	return out
}
