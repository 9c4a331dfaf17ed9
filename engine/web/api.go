package web

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"tidegate/engine"
	"tidegate/engine/state"
	"tidegate/hclspec/address"
)

const (
	// askTimeout is how long the daemon may take to say something.
	askTimeout = 10 * time.Second
	// defaultHistory and maxHistory are how many entries are listed.
	defaultHistory, maxHistory = 100, 10_000
)

// statusCache asks the daemon for its status, once for all who wait for it.
type statusCache struct {
	daemon Daemon
	turn   chan struct{} // held by who asks
	last   *engine.Status
	asked  time.Time
}

// get returns a status that is no older than maxAge, and with zero none that was asked for
// before the call.
func (c *statusCache) get(ctx context.Context, maxAge time.Duration) (*engine.Status, error) {
	oldest := time.Now().Add(-maxAge)
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if c.last != nil && !c.asked.Before(oldest) {
		return c.last, nil
	}
	asked := time.Now()
	st, err := c.daemon.Status(ctx)
	if err != nil {
		return nil, err
	}
	c.last, c.asked = st, asked
	time.AfterFunc(2*time.Second, c.forget) // it may be large
	return st, nil
}

// forget drops a status that nobody may be shown any more.
func (c *statusCache) forget() {
	c.turn <- struct{}{}
	defer func() { <-c.turn }()
	if time.Since(c.asked) > time.Second {
		c.last = nil
	}
}

func (s *Server) ready(http.ResponseWriter, *http.Request) *answer {
	if s.daemon.Ready() {
		return okReady
	}
	return notReady
}

// readTurn reserves room for a large answer.
func (s *Server) readTurn() (release func(), ok bool) {
	select {
	case s.reads <- struct{}{}:
		return func() { <-s.reads }, true
	default:
		return nil, false
	}
}

func (s *Server) statusPage(w http.ResponseWriter, r *http.Request) *answer {
	release, ok := s.readTurn()
	if !ok {
		return noRoom
	}
	defer release()
	st, err := s.status.get(r.Context(), 0)
	if err != nil {
		return s.silent(r, err)
	}
	(&answer{code: http.StatusOK, body: jsonLine(st)}).write(w)
	return nil
}

func (s *Server) historyPage(w http.ResponseWriter, r *http.Request) *answer {
	of, limit, problem := historyQuery(r.URL.Query().Get("address"), r.URL.Query().Get("limit"))
	if problem != nil {
		return problem
	}
	release, ok := s.readTurn()
	if !ok {
		return noRoom
	}
	defer release()
	ctx, cancel := context.WithTimeout(r.Context(), askTimeout)
	defer cancel()
	entries, err := s.daemon.History(ctx, of, limit)
	if err != nil {
		return s.silent(r, err)
	}
	if entries == nil {
		entries = []state.Entry{}
	}
	(&answer{code: http.StatusOK, body: jsonLine(entries)}).write(w)
	return nil
}

func historyQuery(of, limit string) (a address.Address, n int, problem *answer) {
	n = defaultHistory
	if of != "" {
		if err := a.UnmarshalText([]byte(of)); err != nil {
			return a, 0, noAddress
		}
	}
	if limit != "" {
		var err error
		if n, err = strconv.Atoi(limit); err != nil || n < 1 || n > maxHistory {
			return a, 0, refuse(http.StatusBadRequest, "no limit", "limit is a number from 1 to "+strconv.Itoa(maxHistory)+".")
		}
	}
	return a, n, nil
}

// silent answers when the daemon does not. Why is logged and not told to strangers.
func (s *Server) silent(r *http.Request, err error) *answer {
	if r.Context().Err() == nil {
		s.log.Warn("a question to the daemon was not answered", "path", r.URL.Path, "error", err)
	}
	return refuse(http.StatusServiceUnavailable, "the daemon does not answer", "Try again; its log says why.").after(1)
}
