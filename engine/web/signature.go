package web

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// tolerance is how far the time of a signature may be from ours, after Standard Webhooks.
	tolerance = 5 * time.Minute
	// maxSignatures is how many signatures of one request are looked at; a sender that
	// rotates its secret sends two.
	maxSignatures = 8
	// maxDelivery is how long the id of a delivery may be.
	maxDelivery = 256
)

// The names of headers, as net/http writes them.
const (
	headerID        = "Webhook-Id"
	headerTimestamp = "Webhook-Timestamp"
	headerSignature = "Webhook-Signature"
	headerHub       = "X-Hub-Signature-256"
	headerHubID     = "X-Github-Delivery"
	headerBearer    = "Authorization"
)

type sum = [sha256.Size]byte

// credentials are what a request shows for itself, read from its headers alone. A header
// that is there twice, or broken, is as if it were missing: one way to be refused.
type credentials struct {
	id, timestamp string
	signatures    [maxSignatures]sum // Standard Webhooks, version v1
	count         int
	hub           sum
	hasHub        bool
	hubID         string
	bearer        sum // hash of the token
	hasBearer     bool
}

// none reports that nothing is shown that could be verified.
func (c *credentials) none() bool { return c.count == 0 && !c.hasHub && !c.hasBearer }

func readCredentials(h http.Header, now time.Time) (c credentials) {
	c.id, c.hubID = deliveryID(single(h, headerID)), deliveryID(single(h, headerHubID))
	if timestamp := single(h, headerTimestamp); c.id != "" && current(timestamp, now) {
		c.timestamp = timestamp
		c.readSignatures(single(h, headerSignature))
	}
	if text, ok := strings.CutPrefix(single(h, headerHub), "sha256="); ok && len(text) == hex.EncodedLen(len(c.hub)) {
		var buf [2 * sha256.Size]byte
		copy(buf[:], text)
		_, err := hex.Decode(c.hub[:], buf[:])
		c.hasHub = err == nil
	}
	if token := bearerToken(h); token != "" {
		c.bearer, c.hasBearer = sha256.Sum256([]byte(token)), true
	}
	return c
}

func (c *credentials) readSignatures(list string) {
	for part := range strings.SplitSeq(list, " ") {
		text, ok := strings.CutPrefix(part, "v1,")
		if !ok || len(text) != base64.StdEncoding.EncodedLen(sha256.Size) || c.count == maxSignatures {
			continue // another version, as v1a
		}
		var in [44]byte
		var out [33]byte
		copy(in[:], text)
		if n, err := base64.StdEncoding.Strict().Decode(out[:], in[:]); err == nil && n == sha256.Size {
			c.signatures[c.count] = sum(out[:sha256.Size])
			c.count++
		}
	}
}

// single returns the value of a header that is there once, else "".
func single(h http.Header, name string) string {
	if v := h[name]; len(v) == 1 {
		return v[0]
	}
	return ""
}

func bearerToken(h http.Header) string {
	v := single(h, headerBearer)
	if len(v) > 7 && strings.EqualFold(v[:7], "Bearer ") {
		return strings.TrimLeft(v[7:], " ")
	}
	return ""
}

// deliveryID returns an id that can be kept and shown, else "". A full stop is refused as
// the specification has it: what is signed is id.timestamp.body, and with one in the id
// it could be cut at another place.
func deliveryID(id string) string {
	if len(id) > maxDelivery {
		return ""
	}
	for i := range len(id) {
		if c := id[i]; c <= ' ' || c > '~' || c == '.' {
			return ""
		}
	}
	return id
}

// current reports whether a timestamp, in seconds since 1970 and in digits only, is near enough.
func current(timestamp string, now time.Time) bool {
	if len(timestamp) == 0 || len(timestamp) > 12 {
		return false
	}
	for i := range len(timestamp) {
		if c := timestamp[i]; c < '0' || c > '9' {
			return false
		}
	}
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil {
		return false
	}
	distance := now.Sub(time.Unix(seconds, 0))
	return -tolerance <= distance && distance <= tolerance
}

// mac computes HMAC-SHA256 with one key. The hashes are kept for later requests, as making
// one costs more than a short body.
type mac struct{ pool sync.Pool }

func newMAC(key []byte) *mac {
	return &mac{sync.Pool{New: func() any { return hmac.New(sha256.New, key) }}}
}

// sign returns the code over the body, with an id and a time before it for Standard Webhooks.
func (m *mac) sign(c *credentials, standard bool, body []byte) (out sum) {
	h := m.pool.Get().(hash.Hash)
	h.Reset()
	if standard {
		var buf [maxDelivery + 16]byte
		head := append(buf[:0], c.id...)
		head = append(head, '.')
		head = append(head, c.timestamp...)
		_, _ = h.Write(append(head, '.'))
	}
	_, _ = h.Write(body)
	h.Sum(out[:0])
	m.pool.Put(h)
	return out
}

func equal(a, b *sum) bool { return subtle.ConstantTimeCompare(a[:], b[:]) == 1 }
