//go:build unix

package engine_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
)

const ephemeralModule = `
variable "token" {
  type      = string
  ephemeral = true
}
locals { header = "Bearer ${var.token}" }
source "http" "a" {
  url     = "URL/a.json"
  headers = { Authorization = local.header }
  rules   = [rule.assert.a]
}
rule "assert" "a" {
  assertion {
    condition     = value.token != var.token
    error_message = "It holds the token ${var.token}."
  }
}
sink "file" "a" {
  path    = "out.json"
  content = jsonencode(source.http.a.value)
}
`

// An ephemeral value serves to look and to judge, and is neither in the state nor in a plan:
// another one neither changes the configuration nor makes a saved plan stale.
func TestEphemeralValueIsKeptNowhere(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer canary-") {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"token":"public"}`))
	}))
	defer server.Close()
	m := newModule(t, "main.hcl", strings.ReplaceAll(ephemeralModule, "URL", server.URL))
	m.tool("validate").want(t, 0)
	m.tool("plan").want(t, 1, "var.token has no default")
	environ := m.environ
	m.environ = append(environ, "TIDEGATE_VAR_token="+canary)
	out := m.tool("plan", "--json", "--out", "plan.bin")
	out.want(t, 0)
	wantNoSecret(t, "the plan", out.stdout+out.stderr)
	if strings.Contains(out.stdout, `"token":{"`) || strings.Contains(out.stdout, `"variables":{"token`) {
		t.Errorf("the plan has a place for the value: %s", out.stdout)
	}
	saved, err := os.ReadFile(m.path("plan.bin"))
	if err != nil {
		t.Fatal(err)
	}
	wantNoSecret(t, "the saved plan", string(saved))
	m.environ = environ
	m.tool("apply", "plan.bin").want(t, 0)
	m.wantFile("out.json", `{"token":"public"}`)
	m.environ = append(environ, "TIDEGATE_VAR_token=canary-another")
	m.tool("plan").want(t, 0, "No changes.")
	for _, text := range m.stateHolds() {
		wantNoSecret(t, "the state", text)
	}
}

func TestEphemeralValueIsRefusedWhereItWouldBeKept(t *testing.T) {
	const variable = "variable \"token\" {\n  type = string\n  ephemeral = true\n}\n"
	for name, text := range map[string]string{
		"content of a sink":       "sink \"file\" \"a\" {\n  path = \"x\"\n  content = upper(var.token)\n}\n",
		"credential of a sink":    "sink \"http\" \"a\" {\n  url = \"http://a/\"\n  bearer_token = var.token\n}\n",
		"part of a block":         "sink \"exec\" \"a\" {\n  command = [\"a\"]\n  retry {\n    min = var.token\n  }\n}\n",
		"trigger":                 "sink \"exec\" \"a\" {\n  command = [\"a\"]\n  triggers = [var.token]\n}\n",
		"through a local":         "locals { a = { b = var.token } }\nsink \"file\" \"a\" {\n  path = \"x\"\n  content = jsonencode(local.a)\n}\n",
		"output":                  "output \"a\" {\n  value = var.token\n  sensitive = true\n}\n",
		"output that looks plain": "output \"a\" { value = nonsensitive(var.token) }\n",
		"value of a source":       "source \"static\" \"a\" { value = var.token }\n",
		"fallback of a source":    "source \"http\" \"a\" {\n  url = \"http://a/a.json\"\n  fallback = { a = var.token }\n}\n",
		"rate limit":              "rate_limit \"sliding_window\" \"a\" {\n  max = 1\n  per = var.token\n}\n",
	} {
		t.Run(name, func(t *testing.T) {
			m := newModule(t, "main.hcl", variable+text)
			m.tool("validate").want(t, 1, "Ephemeral value would be stored")
			m.environ = append(m.environ, "TIDEGATE_VAR_token=5m-"+canary)
			r := m.tool("apply", "--auto-approve")
			r.want(t, 1)
			wantNoSecret(t, "the output", r.stdout+r.stderr)
			if exists(m.path(".tidegate")) {
				t.Error("a state was made")
			}
		})
	}
}
