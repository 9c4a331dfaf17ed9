package http

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"

	"tidegate/providers"
)

// signatureHeaders are what a signer writes.
var signatureHeaders = []string{"Webhook-Id", "Webhook-Timestamp", "Webhook-Signature", "X-Hub-Signature-256"}

// signer signs bodies; nil signs nothing.
type signer struct{ key []byte }

const secretPrefix = "whsec_"

func newSigner(c *Sign) (*signer, error) {
	if c == nil {
		return nil, nil
	}
	key := []byte(c.Secret)
	if encoded, ok := strings.CutPrefix(c.Secret, secretPrefix); ok {
		var err error
		if key, err = base64.StdEncoding.DecodeString(encoded); err != nil {
			return nil, providers.AttributeErrorf("sign.secret", "what follows %s must be base64", secretPrefix)
		}
	}
	if len(key) == 0 {
		return nil, providers.AttributeErrorf("sign.secret", "the secret is empty: a signature that anyone can make proves nothing")
	}
	return &signer{key}, nil
}

// sign writes the headers of both schemes. The time is that of the attempt: receivers
// refuse old ones, and the id alone makes repetitions known.
func (s *signer) sign(header http.Header, id string, body []byte, now time.Time) {
	if s == nil {
		return
	}
	at := strconv.FormatInt(now.Unix(), 10)
	header.Set("Webhook-Id", id)
	header.Set("Webhook-Timestamp", at)
	header.Set("Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(s.mac([]byte(id+"."+at+"."), body)))
	header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(s.mac(body)))
}

func (s *signer) mac(parts ...[]byte) []byte {
	h := hmac.New(sha256.New, s.key)
	for _, part := range parts {
		h.Write(part)
	}
	return h.Sum(nil)
}
