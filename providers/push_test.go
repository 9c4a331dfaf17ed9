package providers_test

import (
	"strings"
	"testing"

	"tidegate/providers"
	"tidegate/providers/providertest"
	"tidegate/providers/source/static"
)

// Every source may have a push block, and its mistakes are found with those of the kind.
func TestPushBlockIsChecked(t *testing.T) {
	for body, want := range map[string]string{
		`push {}`:                    ``,
		`push { config_name = "*" }`: ``,
		`push { secrets = ["0123456789abcdef01234567"] }`:           ``,
		`push { secrets = ["0123456789abcdef0123456"] }`:            `test.hcl:2,18-`,
		`push { secrets = [secret] }`:                               `push.secrets: the secret has 7 bytes`,
		`push { secrets = [] }`:                                     `the list is empty`,
		`push { bearer_token = "" }`:                                `push.bearer_token: is empty`,
		`push { config_name = "a/b" }`:                              `push.config_name: "a/b" looks like a path`,
		`push { config_name = "` + "\xff" + `" }`:                   `UTF-8`,
		"max_bytes = 0\npush { bearer_token = \"\" }":               `max_bytes`,
		`push { config_name = "` + strings.Repeat("x", 254) + `" }`: `254 bytes`,
	} {
		got := providertest.Errors(static.Kind(), "value = 1\n"+body)
		if want == "" && got != "" || !strings.Contains(got, want) || strings.Contains(got, "hunter2") {
			t.Errorf("%s: got %q, want %q", body, got, want)
		}
	}
}

func TestPushOfABlock(t *testing.T) {
	c, diags := providertest.Configure(static.Kind(), "value = 1\npush {\nconfig_name = \"a\"\nbearer_token = \"t\"\n}")
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	s := c.Settings.(*providers.SourceSettings).Push
	if p := s.Push("name"); p.ConfigName != "a" || p.BearerToken != "t" || p.Secrets != nil {
		t.Errorf("got %+v", p)
	}
	if p := (&providers.PushSettings{}).Push("name"); p.ConfigName != "name" {
		t.Errorf("got %+v", p)
	}
}
