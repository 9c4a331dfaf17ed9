package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"tidegate/engine"
	"tidegate/engine/state"
	"tidegate/hclspec/address"
)

// ErrNoDaemon is wrapped by every error that means that no daemon answers: there is no
// socket, or nobody listens behind it. It is not wrapped where one may well run, as when the
// socket is another user's.
var ErrNoDaemon = errors.New("no daemon is running")

// maxReply is the largest answer that is read; the status of 100,000 items is a tenth of it.
const maxReply = 1 << 30

// Client asks and steers a running daemon over its control socket.
type Client struct {
	path string
	http *http.Client
}

// ControlClient returns a client for the socket. Nothing is tried before the first call.
func ControlClient(path string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		d := net.Dialer{Timeout: 2 * time.Second}
		return d.DialContext(ctx, "unix", path)
	}
	return &Client{path, &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true, DisableCompression: true}}}
}

// Status asks how everything is.
func (c *Client) Status(ctx context.Context) (*engine.Status, error) {
	out := new(engine.Status)
	if err := c.call(ctx, http.MethodGet, "/v1/status", nil, out); err != nil {
		return nil, err
	}
	return out, nil
}

// History asks what happened to an address or, with zero, to all; limit 0 is all of it.
func (c *Client) History(ctx context.Context, of address.Address, limit int) ([]state.Entry, error) {
	query := url.Values{}
	if !of.IsZero() {
		query.Set("address", of.String())
	}
	if limit > 0 && limit <= maxHistory {
		query.Set("limit", strconv.Itoa(limit))
	}
	var out []state.Entry
	err := c.call(ctx, http.MethodGet, "/v1/history?"+query.Encode(), nil, &out)
	if limit > 0 && len(out) > limit {
		out = out[:limit]
	}
	return out, err
}

// Pause stops looking at, or delivering to, what matches the pattern.
func (c *Client) Pause(ctx context.Context, p engine.Pause) error {
	return c.call(ctx, http.MethodPost, "/v1/pause", p, nil)
}

// Resume ends the pauses of a pattern and says how many they were.
func (c *Client) Resume(ctx context.Context, pattern string) (int, error) {
	var out resumeAnswer
	err := c.call(ctx, http.MethodPost, "/v1/resume", resumeRequest{pattern}, &out)
	return out.Resumed, err
}

// Approve lets the target of a removed sink be deleted.
func (c *Client) Approve(ctx context.Context, sink address.Address) error {
	return c.call(ctx, http.MethodPost, "/v1/approve", approveRequest{sink}, nil)
}

// Rollback puts a revision of a sink back, engine.RevisionBefore for the one before, and returns
// its number.
func (c *Client) Rollback(ctx context.Context, sink address.Address, to int64) (int64, error) {
	var out rollbackAnswer
	err := c.call(ctx, http.MethodPost, "/v1/rollback", rollbackRequest{sink, to}, &out)
	return out.Revision, err
}

// Release ends the hold of a rollback.
func (c *Client) Release(ctx context.Context, sink address.Address) error {
	return c.call(ctx, http.MethodPost, "/v1/release", approveRequest{sink}, nil)
}

// Reload has the configuration loaded now.
func (c *Client) Reload(ctx context.Context) error {
	return c.call(ctx, http.MethodPost, "/v1/reload", struct{}{}, nil)
}

func (c *Client) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://tidegate"+path, body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		return c.explain(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxReply))
	if err != nil {
		return fmt.Errorf("the daemon at %s stopped in the middle of its answer: %w", c.path, err)
	}
	if resp.StatusCode != http.StatusOK {
		return refusal(resp.StatusCode, data)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(data, out); err != nil {
		return fmt.Errorf("the daemon at %s, which may be of another version, answered what is not understood: %w", c.path, err)
	}
	return nil
}

// refusal is the daemon's own error.
func refusal(code int, data []byte) error {
	var p problem
	if json.Unmarshal(data, &p) == nil && p.Error != "" {
		return errors.New(p.Error)
	}
	return fmt.Errorf("the daemon answered with status %d; it may be of another version", code)
}

// explain says what it means that the socket cannot be reached.
func (c *Client) explain(err error) error {
	var inner *url.Error
	if errors.As(err, &inner) {
		err = inner.Err
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: there is no control socket at %s; start one with tidegate apply --watch", ErrNoDaemon, c.path)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%w: the control socket at %s is left over from one that ended; start another with tidegate apply --watch", ErrNoDaemon, c.path)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("the control socket at %s is another user's: permission denied; run this as that user or as root", c.path)
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE),
		strings.Contains(err.Error(), "server closed idle connection"): // net/http has no name for it
		return fmt.Errorf("the daemon at %s hung up: it is stopping, or runs as another user", c.path)
	}
	return fmt.Errorf("ask the daemon at %s: %w", c.path, err)
}
