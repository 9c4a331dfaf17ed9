package webhook

import (
	"strings"
	"testing"

	"tidegate/providers"
	"tidegate/providers/providertest"
)

func TestContract(t *testing.T) {
	providertest.Kind(t, Kind())
	if len(Kind().Detectors) > 0 {
		t.Errorf("detectors %q for what has no origin", Kind().Detectors)
	}
}

func push(t *testing.T, address, body string) providers.Push {
	t.Helper()
	s := providertest.NewSource(t, Kind(), body, providers.Env{Address: address})
	return s.(providers.Receiver).Push()
}

func TestConfigName(t *testing.T) {
	for _, test := range []struct{ address, body, want string }{
		{"source.webhook.flags", ``, "flags"},
		{`module.a["x"].source.webhook.flags["k"]`, ``, "flags"},
		{"source.webhook.flags", `config_name = "feature flags"`, "feature flags"},
		{"source.webhook.flags", `config_name = "*"`, "*"},
		{"source.webhook.flags", `config_name = "` + strings.Repeat("x", 253) + `"`, strings.Repeat("x", 253)},
		{"source.webhook.flags", `config_name = "Größe.v1"`, "Größe.v1"},
	} {
		if got := push(t, test.address, test.body); got.ConfigName != test.want {
			t.Errorf("%s %s: %q, want %q", test.address, test.body, got.ConfigName, test.want)
		}
	}
}

// W8 of the fault list, on the side that declares the names.
func TestMistakes(t *testing.T) {
	for body, want := range map[string]string{
		`config_name = ""`:                                 "config_name: is empty",
		`config_name = "../x"`:                             "looks like a path",
		`config_name = "/abs"`:                             "looks like a path",
		`config_name = "a..b"`:                             "looks like a path",
		`config_name = "a\u0000b"`:                         "control character",
		`config_name = "a\nb"`:                             "control character",
		`config_name = "a\u0085b"`:                         "control character",
		`config_name = "` + strings.Repeat("x", 254) + `"`: "has 254 bytes, and 253 are allowed",
		`secrets = ["short"]`:                              "the secret has 5 bytes",
		`bearer_token = ""`:                                "is empty",
		`push {}`:                                          `test.hcl:1,1-5: Invalid source "webhook"; `,
		"config_name = \"/\"\nsecrets = [\"short\"]":       "looks like a path",
	} {
		got := providertest.Errors(Kind(), body)
		if !strings.Contains(got, want) || strings.Contains(body, "short") && (!strings.Contains(got, "5 bytes") || strings.Contains(got, `"short"`)) {
			t.Errorf("%s: got %q, want %q", body, got, want)
		}
	}
}

func TestThereIsNothingToLookAt(t *testing.T) {
	s := providertest.NewSource(t, Kind(), ``, providers.Env{Address: "source.webhook.flags"})
	for _, last := range []string{"", "v1"} {
		snapshot, err := s.Fetch(t.Context(), last)
		if class, _ := providers.Classify(err); err == nil || class != providers.ClassPermanent || snapshot.NotModified {
			t.Errorf("got %+v, %v", snapshot, err)
		}
	}
	if got := s.(providers.Identifier).Identity(); got != "pushes with config_name flags" {
		t.Errorf("identity %q", got)
	}
}
