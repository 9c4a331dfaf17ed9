package webhook

import (
	"slices"
	"strings"
	"testing"
	"time"

	"tidegate/providers"
	"tidegate/providers/providertest"
)

func TestContract(t *testing.T) {
	providertest.Kind(t, Kind())
	providertest.Detector(t, providertest.DetectorOptions{
		New: func(t *testing.T) providers.Detector { return providertest.NewDetector(t, Kind(), ``) },
		Min: 500 * time.Millisecond,
		Max: 16*time.Minute + 30*time.Second,
	})
}

func TestPace(t *testing.T) {
	d := providertest.NewDetector(t, Kind(), ``)
	for h, want := range map[time.Duration]providers.History{
		13*time.Minute + 30*time.Second: {Random: 0},
		15 * time.Minute:                {Random: 0.5},
		500 * time.Millisecond:          {Failures: 1},
		2 * time.Second:                 {Failures: 3},
		150 * time.Second:               {Failures: 100},
	} {
		if got := d.Delay(want); got != h {
			t.Errorf("%+v: %s, want %s", want, got, h)
		}
	}
	p := d.(providers.Paced)
	if p.BackoffMax() != 5*time.Minute || p.Window() != time.Hour {
		t.Errorf("back-off up to %s, window %s", p.BackoffMax(), p.Window())
	}
	if _, is := d.(providers.Notified); is {
		t.Error("a request is not something written in place")
	}
}

func TestPush(t *testing.T) {
	d := providertest.NewDetector(t, Kind(), `
secrets      = ["0123456789abcdef01234567", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]
bearer_token = "token"`)
	p := d.(providers.Receiver).Push()
	if p.ConfigName != "" || p.BearerToken != "token" || !slices.Equal(p.Secrets, []string{"0123456789abcdef01234567", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}) {
		t.Errorf("got %+v", p)
	}
	if p := providertest.NewDetector(t, Kind(), ``).(providers.Receiver).Push(); p.Secrets != nil || p.BearerToken != "" {
		t.Errorf("without credentials: %+v", p)
	}
}

func TestMistakesPointAtTheirPlaceAndQuoteNothing(t *testing.T) {
	for body, want := range map[string][]string{
		`secrets = ["0123456789abcdef0123456"]`:                 {`test.hcl:1,11-`, `secrets: the secret has 23 bytes; at least 24 are needed`},
		`secrets = ["0123456789abcdef01234567", "hunter2"]`:     {`secret number 2 has 7 bytes`},
		`secrets = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2Larw=="]`:  {`the secret has 22 bytes`},
		`secrets = ["whsec_0123456789abcdef0123456789abcdef#"]`: {`begins with whsec_, but what follows is no base64`},
		`secrets = []`:         {`the list is empty`},
		`bearer_token = ""`:    {`test.hcl:1,16-18`, `bearer_token: is empty`},
		`bearer_token = "a b"`: {`contains spaces`},
		"secrets = [\"hunter2\"]\nbearer_token = \"hunter2\\nX-Admin: 1\"": {`the secret has 7 bytes`, `contains spaces, line ends`},
		`config_name = "x"`: {`Unsupported argument`},
	} {
		got := providertest.Errors(Kind(), body)
		for _, w := range want {
			if !strings.Contains(got, w) {
				t.Errorf("%s: got %q, want %q", body, got, w)
			}
		}
		if strings.Contains(got, "hunter2") || strings.Contains(got, "0123456789") {
			t.Errorf("%s: a secret is shown: %s", body, got)
		}
	}
}
