package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/hashicorp/go-hclog"

	"tidegate/engine"
	"tidegate/engine/state"
	"tidegate/hclspec/address"
)

// The control socket speaks HTTP over a Unix socket that only its owner and root may use.
//
//	GET  /v1/status                       engine.Status
//	GET  /v1/history?address=A&limit=N    [state.Entry], all without a limit
//	POST /v1/pause    engine.Pause        {}
//	POST /v1/resume   {"pattern": P}      {"resumed": N}
//	POST /v1/approve  {"address": A}      {}
//	POST /v1/rollback {"address": A, "to": N} {"revision": N}, N -1 for the one before
//	POST /v1/release  {"address": A}      {}
//	POST /v1/reload   {}                  {}
//	POST /v1/apply    a saved plan        lines of JSON: what happens, and last what became of it
//
// What the daemon refuses is 422 with its reason in "error". Reading costs nothing but
// memory; it answers without a network, a source or a valid configuration.

// maxControl is the largest body of a request to the control socket.
const maxControl = 64 << 10

// ListenControl makes the control socket, with mode 0600 from its first moment on. A socket
// that a dead daemon left behind is replaced; one that answers is not, nor is any other file.
func ListenControl(ctx context.Context, path string) (net.Listener, error) {
	switch info, err := os.Lstat(path); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("make the control socket: %w", err)
	case info.Mode()&fs.ModeSocket == 0:
		return nil, fmt.Errorf("make the control socket: %s is there and is no socket; remove it", path)
	default:
		if conn, err := new(net.Dialer).DialContext(ctx, "unix", path); err == nil {
			_ = conn.Close()
			return nil, fmt.Errorf("make the control socket: another daemon answers at %s", path)
		}
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("replace the control socket of a dead daemon: %w", err)
		}
	}
	config := net.ListenConfig{Control: private}
	ln, err := config.Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("make the control socket %s: %w", path, err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		_ = ln.Close()
		return nil, fmt.Errorf("make the control socket private: %w", err)
	}
	return ln, nil
}

// ServeControl answers on the control socket until ctx ends, and closes and removes it.
// Peers that are neither this user nor root are hung up on, where the system can tell.
func ServeControl(ctx context.Context, ln net.Listener, d Daemon, l hclog.Logger) error {
	if l == nil {
		l = hclog.NewNullLogger()
	}
	srv := &http.Server{
		Handler: recovering(Control(d), l), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second,
		IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10, ErrorLog: log.New(debugWriter{l}, "", 0),
	}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ownPeers{ln, l}) }()
	select {
	case err := <-done:
		_ = srv.Close()
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if srv.Shutdown(grace) != nil {
		_ = srv.Close()
	}
	<-done
	return nil
}

// ownPeers accepts connections of this user and root.
type ownPeers struct {
	net.Listener
	log hclog.Logger
}

func (o ownPeers) Accept() (net.Conn, error) {
	for {
		c, err := o.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if err := checkPeer(c); err != nil {
			o.log.Warn("a stranger was turned away at the control socket", "error", err)
			_ = c.Close()
			continue
		}
		return c, nil
	}
}

func recovering(next http.Handler, l hclog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if v := recover(); v != nil {
				if v == http.ErrAbortHandler {
					panic(v)
				}
				logPanic(l, v)
				broken.write(w)
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// Control is the handler of the control socket. Whoever reaches it may do everything.
func Control(d Daemon) http.Handler {
	mux := http.NewServeMux()
	ask := func(pattern string, do func(r *http.Request) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { controlAnswer(r, do).write(w) })
	}
	ask("GET /v1/status", func(r *http.Request) (any, error) { return d.Status(r.Context()) })
	ask("GET /v1/history", func(r *http.Request) (any, error) { return controlHistory(r, d) })
	ask("POST /v1/pause", func(r *http.Request) (any, error) {
		var p engine.Pause
		if err := controlBody(r, &p); err != nil {
			return nil, err
		}
		return struct{}{}, d.Pause(r.Context(), p)
	})
	ask("POST /v1/resume", func(r *http.Request) (any, error) {
		var in resumeRequest
		if err := controlBody(r, &in); err != nil {
			return nil, err
		}
		n, err := d.Resume(r.Context(), in.Pattern)
		return resumeAnswer{n}, err
	})
	ask("POST /v1/approve", func(r *http.Request) (any, error) {
		var in approveRequest
		if err := controlBody(r, &in); err != nil {
			return nil, err
		}
		return struct{}{}, d.Approve(r.Context(), in.Address)
	})
	ask("POST /v1/rollback", func(r *http.Request) (any, error) {
		var in rollbackRequest
		if err := controlBody(r, &in); err != nil {
			return nil, err
		}
		revision, err := d.Rollback(r.Context(), in.Address, in.To)
		return rollbackAnswer{revision}, err
	})
	ask("POST /v1/release", func(r *http.Request) (any, error) {
		var in approveRequest
		if err := controlBody(r, &in); err != nil {
			return nil, err
		}
		return struct{}{}, d.Release(r.Context(), in.Address)
	})
	mux.HandleFunc("POST /v1/apply", func(w http.ResponseWriter, r *http.Request) { controlApply(w, r, d) })
	ask("POST /v1/reload", func(r *http.Request) (any, error) { return struct{}{}, d.Reload(r.Context()) })
	return mux
}

type (
	resumeRequest struct {
		Pattern string `json:"pattern"`
	}
	resumeAnswer struct {
		Resumed int `json:"resumed"`
	}
	approveRequest struct {
		Address address.Address `json:"address"`
	}
	rollbackRequest struct {
		Address address.Address `json:"address"`
		To      int64           `json:"to"`
	}
	rollbackAnswer struct {
		Revision int64 `json:"revision"`
	}
)

// badRequest is a mistake of who asks; other errors are the daemon's.
type badRequest struct{ err error }

func (b badRequest) Error() string { return b.err.Error() }

func controlAnswer(r *http.Request, do func(*http.Request) (any, error)) *answer {
	v, err := do(r)
	var bad badRequest
	switch {
	case errors.As(err, &bad):
		return refuse(http.StatusBadRequest, bad.Error(), "")
	case err != nil:
		return refuse(http.StatusUnprocessableEntity, err.Error(), "")
	}
	return &answer{code: http.StatusOK, body: jsonLine(v)}
}

func controlBody(r *http.Request, into any) error {
	dec := json.NewDecoder(http.MaxBytesReader(nil, r.Body, maxControl))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return badRequest{fmt.Errorf("read the request: %w", err)}
	}
	if _, err := dec.Token(); err != io.EOF {
		return badRequest{errors.New("read the request: data after the JSON object")}
	}
	return nil
}

func controlHistory(r *http.Request, d Daemon) ([]state.Entry, error) {
	q := r.URL.Query()
	of, limit, problem := historyQuery(q.Get("address"), q.Get("limit"))
	if problem != nil {
		return nil, badRequest{errors.New("address or limit is not valid")}
	}
	if q.Get("limit") == "" {
		limit = 0 // whoever owns the socket may read it all
	}
	entries, err := d.History(r.Context(), of, limit)
	if entries == nil {
		entries = []state.Entry{}
	}
	return entries, err
}
