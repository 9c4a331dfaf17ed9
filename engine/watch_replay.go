package engine

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	"tidegate/engine/state"
)

// A sender repeats a request whose answer it did not get. What was taken in under an
// identity is remembered, also over a restart, within bounds.
type (
	replayKeyType [16]byte
	replay        struct {
		Key    replayKeyType `json:"k"`
		Digest [32]byte      `json:"d"`
		At     int64         `json:"t"` // Unix seconds
	}
)

const (
	replayPrefix = "replay/"
	replayMost   = 100_000
	replayAge    = 24 * time.Hour
)

func replayKey(p Pushed) (key replayKeyType) {
	sum := sha256.Sum256([]byte(p.Receiver.Address.String() + "\n" + p.Delivery))
	copy(key[:], sum[:])
	return key
}

// replays is the memory of request identities. It belongs to the loop.
type replays struct {
	known map[replayKeyType]replay
	order []replayPage // oldest first
	next  int64
	now   func() time.Time
}

// replayPage is one document.
type replayPage struct {
	name string
	keys []replayKeyType
	at   int64
}

func newReplays() *replays {
	return &replays{known: map[replayKeyType]replay{}, now: time.Now}
}

func recallReplays(ctx context.Context, store state.Store) (*replays, error) {
	r := newReplays()
	docs, err := store.Documents(ctx, replayPrefix)
	if err != nil {
		return nil, fmt.Errorf("read the identities of requests: %w", err)
	}
	for _, doc := range docs {
		entries := decodeReplays(doc.Data)
		page := replayPage{name: doc.Name}
		for _, e := range entries {
			r.known[e.Key] = e
			page.keys = append(page.keys, e.Key)
			page.at = max(page.at, e.At)
		}
		r.order = append(r.order, page)
		var n int64
		if _, err := fmt.Sscanf(doc.Name, replayPrefix+"%d", &n); err == nil {
			r.next = max(r.next, n+1)
		}
	}
	return r, nil
}

func (r *replays) seen(key replayKeyType) ([32]byte, bool) {
	e, ok := r.known[key]
	if !ok || r.now().Unix()-e.At > int64(replayAge/time.Second) {
		return [32]byte{}, false
	}
	return e.Digest, true
}

// add remembers a request with the transaction that makes its value durable.
func (r *replays) add(t *transaction, key replayKeyType, digest [32]byte) {
	e := replay{Key: key, Digest: digest, At: r.now().Unix()}
	r.known[key] = e
	t.replays = append(t.replays, e)
}

// write puts what a transaction remembers into one document, and takes out what is too old.
func (r *replays) write(t *transaction) {
	if len(t.replays) == 0 {
		return
	}
	page := replayPage{name: fmt.Sprintf("%s%020d", replayPrefix, r.next)}
	r.next++
	for _, e := range t.replays {
		page.keys = append(page.keys, e.Key)
		page.at = max(page.at, e.At)
	}
	// A digest of what is secret, and can be guessed, is as secret.
	t.documents[page.name] = &state.Document{Name: page.name, Data: encodeReplays(t.replays), Sealed: true}
	t.replays = nil
	r.order = append(r.order, page)
	oldest := r.now().Add(-replayAge).Unix()
	for len(r.order) > 1 && (len(r.known) > replayMost || r.order[0].at < oldest) {
		for _, key := range r.order[0].keys {
			delete(r.known, key)
		}
		t.documents[r.order[0].name] = nil
		r.order = r.order[1:]
	}
}

const replayBytes = 16 + 32 + 8

func encodeReplays(list []replay) []byte {
	out := make([]byte, 0, len(list)*replayBytes)
	for _, e := range list {
		out = append(out, e.Key[:]...)
		out = append(out, e.Digest[:]...)
		for shift := 56; shift >= 0; shift -= 8 {
			out = append(out, byte(e.At>>shift))
		}
	}
	return out
}

func decodeReplays(data []byte) []replay {
	var out []replay
	for ; len(data) >= replayBytes; data = data[replayBytes:] {
		var e replay
		copy(e.Key[:], data)
		copy(e.Digest[:], data[16:])
		for _, b := range data[48:replayBytes] {
			e.At = e.At<<8 | int64(b)
		}
		out = append(out, e)
	}
	return out
}
