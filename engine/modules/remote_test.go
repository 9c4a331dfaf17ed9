//go:build unix

package modules_test

import (
	"encoding/pem"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// remote is a repository with a module in sub, tagged v1, and a later commit.
func (w *world) remote() (tagged string) {
	w.t.Helper()
	w.write("remote/sub/main.hcl", `output "v" { value = 1 }`)
	tagged = w.commit("remote")
	w.git("remote", "tag", "v1")
	w.write("remote/sub/main.hcl", `output "v" { value = 2 }`)
	w.commit("remote")
	return tagged
}

// wantTagged wants that get brings the tagged module from a source.
func (w *world) wantTagged(source, tagged string) {
	w.t.Helper()
	w.write("app/main.hcl", "module \"m\" { source = \"git::"+source+"//sub?ref=v1\" }\noutput \"v\" { value = module.m.v }\n")
	w.mustGet()
	w.wantLoads()
	lock, err := os.ReadFile(w.path("app/tidegate.lock.hcl"))
	if err != nil || !strings.Contains(string(lock), tagged) {
		w.t.Errorf("the lock file does not name the commit %s (%v):\n%s", tagged, err, lock)
	}
}

// A module comes over https from git's own server, with what git is told of certificates and
// credentials, and without asking anybody.
func TestOverHTTPS(t *testing.T) {
	w := newWorld(t)
	tagged := w.remote()
	libexec, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		t.Fatal(err)
	}
	backend := filepath.Join(strings.TrimSpace(string(libexec)), "git-http-backend")
	if _, err := os.Stat(backend); err != nil {
		t.Skip("git has no server for HTTP here")
	}
	serve := &cgi.Handler{Path: backend, Root: "/", Env: []string{"GIT_PROJECT_ROOT=" + w.dir, "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*"}}
	server := httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if _, password, _ := r.BasicAuth(); password != "right" {
			rw.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			rw.WriteHeader(http.StatusUnauthorized)
			return
		}
		serve.ServeHTTP(rw, r)
	}))
	t.Cleanup(server.Close)
	w.write("app/main.hcl", "module \"m\" { source = \"git::"+server.URL+"/remote/.git//sub?ref=v1\" }\n")
	wantSaid(t, w.get().Diags, "certificate")

	w.write("ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
	t.Setenv("GIT_SSL_CAINFO", w.path("ca.pem"))
	wantSaid(t, w.get().Diags, "could not read Username")

	w.write("gitconfig", "[credential]\n\thelper = \"!printf 'username=u\\\\npassword=right\\\\n' #\"\n")
	t.Setenv("GIT_CONFIG_GLOBAL", w.path("gitconfig"))
	w.wantTagged(server.URL+"/remote/.git", tagged)
}

// A module comes over ssh, which git starts as it is told to.
func TestOverSSH(t *testing.T) {
	w := newWorld(t)
	tagged := w.remote()
	w.write("ssh", "#!/bin/sh\necho \"$@\" >> WORLD/calls\nfor last; do :; done\nexec sh -c \"$last\"\n")
	if err := os.Chmod(w.path("ssh"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GIT_SSH_COMMAND", w.path("ssh"))
	t.Setenv("GIT_SSH_VARIANT", "ssh")
	w.wantTagged("ssh://git@git.example.com"+w.dir+"/remote/.git", tagged)
	calls, err := os.ReadFile(w.path("calls"))
	if err != nil || !strings.Contains(string(calls), "git@git.example.com git-upload-pack") {
		t.Errorf("ssh was started with %q (%v)", calls, err)
	}
}
