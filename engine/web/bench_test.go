package web

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tidegate/engine"
)

// floor is the least that a webhook receiver does over net/http: it reads the body, checks
// one HMAC, decodes the message, and answers.
func floor(key []byte, taken *atomic.Int64) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(io.LimitReader(r.Body, MaxBody))
		if err != nil {
			http.Error(w, "body", http.StatusBadRequest)
			return
		}
		h := hmac.New(sha256.New, key)
		fmt.Fprintf(h, "%s.%s.", r.Header.Get("webhook-id"), r.Header.Get("webhook-timestamp"))
		h.Write(body)
		given, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(r.Header.Get("webhook-signature"), "v1,"))
		if !hmac.Equal(given, h.Sum(nil)) {
			http.Error(w, "signature", http.StatusUnauthorized)
			return
		}
		var m struct {
			Name string          `json:"config_name"`
			Data json.RawMessage `json:"config_data"`
		}
		if json.Unmarshal(body, &m) != nil {
			http.Error(w, "json", http.StatusBadRequest)
			return
		}
		taken.Add(1)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"status":"accepted"}`)
	})
}

// countingDaemon takes everything and keeps nothing.
type countingDaemon struct {
	fakeDaemon
	taken     atomic.Int64
	receivers *engine.Receivers
}

func (d *countingDaemon) Receivers() *engine.Receivers { return d.receivers }

// hammer sends the request over and over on 64 connections of its own.
func hammer(b *testing.B, addr, request string) {
	const conns = 64
	var left atomic.Int64
	left.Store(int64(b.N))
	var wg sync.WaitGroup
	for range conns {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			b.Fatal(err)
		}
		defer c.Close()
		wg.Go(func() {
			in := bufio.NewReader(c)
			for left.Add(-1) >= 0 {
				if _, err := io.WriteString(c, request); err != nil {
					b.Error(err)
					return
				}
				resp, err := http.ReadResponse(in, nil)
				if err != nil {
					b.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				if resp.StatusCode != http.StatusOK {
					b.Errorf("status %d", resp.StatusCode)
					return
				}
			}
		})
	}
	wg.Wait()
}

// BenchmarkSignedPosts compares signed requests over 64 connections with the floor. Both
// share the machine with the sender.
func BenchmarkSignedPosts(b *testing.B) {
	for _, size := range []int{300, 20_000} {
		body := config("app", `{"api_url":"https://example.com","text":"`+strings.Repeat("x", size)+`"}`)
		head := signed(whsec, "msg_1", time.Now(), body)
		request := fmt.Sprintf("POST /webhook/config HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n%s: %s\r\n%s: %s\r\n%s: %s\r\nContent-Length: %d\r\n\r\n%s",
			head[0], head[1], head[2], head[3], head[4], head[5], len(body), body)
		b.Run(fmt.Sprintf("floor/%d", size), func(b *testing.B) {
			key, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(whsec, "whsec_"))
			var taken atomic.Int64
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			srv := &http.Server{Handler: floor(key, &taken)}
			go func() { _ = srv.Serve(ln) }()
			defer srv.Close()
			b.ReportAllocs()
			b.ResetTimer()
			hammer(b, ln.Addr().String(), request)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "req/s")
		})
		b.Run(fmt.Sprintf("tidegate/%d", size), func(b *testing.B) {
			s := start(b, &countingDaemon{receivers: sealed()}, nil, Options{})
			b.ReportAllocs()
			b.ResetTimer()
			hammer(b, s.addr, request)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "req/s")
		})
	}
}

// Push takes a value and forgets it.
func (d *countingDaemon) Push(context.Context, engine.Pushed) engine.PushResult {
	d.taken.Add(1)
	return engine.PushResult{}
}
