package engine_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"tidegate/engine"
	"tidegate/providers"
	"tidegate/providers/all"
)

// Where the state is can be told from the tidegate block alone, and then it is what the whole
// configuration says; where it cannot, nothing is said.
func TestFindStateReadsNothingButSettings(t *testing.T) {
	registry, err := providers.NewRegistry(all.Kinds())
	if err != nil {
		t.Fatal(err)
	}
	const other = "source \"static\" \"s\" { value = 1 }\n"
	for name, tt := range map[string]struct {
		files  []string // name, text, ...
		silent bool
	}{
		"default":                {files: []string{"a.hcl", other}},
		"a block":                {files: []string{"a.hcl", other, "b.hcl", "tidegate {\n  state \"local\" { path = \"x/y.db\" }\n}\n"}},
		"a block in JSON":        {files: []string{"a.hcl", other, "b.hcl.json", `{"tidegat\u0065": {"state": {"local": {"path": "z.db"}}}}`}},
		"two blocks":             {files: []string{"a.hcl", "tidegate {}\n", "b.hcl", "tidegate {\n  state \"local\" { path = \"x.db\" }\n}\n"}, silent: true},
		"a broken block":         {files: []string{"a.hcl", "tidegate {\n  state \"local\" { path = }\n}\n"}, silent: true},
		"another version":        {files: []string{"a.hcl", "tidegate {\n  required_version = \">= 99\"\n}\n"}, silent: true},
		"an unknown kind":        {files: []string{"a.hcl", "tidegate {\n  state \"remote\" {}\n}\n"}, silent: true},
		"broken beside":          {files: []string{"a.hcl", "tidegate {\n  state \"local\" { path = \"x.db\" }\n}\n", "b.hcl", "source {"}},
		"the word in a text":     {files: []string{"a.hcl", "source \"static\" \"s\" { value = \"tidegate\" }\n"}},
		"unresolved beside them": {files: []string{"a.hcl", "locals { a = local.tidegate }\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			m := newModule(t, tt.files...)
			opts := engine.Options{Dir: m.dir, Registry: registry, Environ: m.environ}
			got := engine.FindState(opts)
			if tt.silent {
				if got != "" {
					t.Errorf("found %s", got)
				}
				return
			}
			whole, _ := engine.Validate(context.Background(), opts)
			defer whole.Close()
			if got != whole.StatePath() || !filepath.IsAbs(got) {
				t.Errorf("found %q, the whole configuration says %q", got, whole.StatePath())
			}
			given := filepath.Join(t.TempDir(), fmt.Sprint(len(name)))
			opts.StatePath = given
			if got := engine.FindState(opts); got != given {
				t.Errorf("found %q, want what was given: %q", got, given)
			}
		})
	}
}
