package httpclient

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"tidegate/providers"
)

// AcceptEncoding is what ReadBody can decode.
const AcceptEncoding = "gzip"

// compressedSlack is how much larger than the limit a compressed body may be: gzip makes
// random bytes a little longer, while a stream of empty blocks never yields anything.
const compressedSlack = 1 << 20

// ReadBody reads the body of an answer to its end and decodes it, at most limit bytes of
// what comes out; more is providers.TooLargeError. It never returns a part of a body whose
// end is known to be missing. The caller closes the body.
func ReadBody(ctx context.Context, p *Progress, resp *http.Response, limit int64) ([]byte, error) {
	r, err := decoder(resp, limit)
	if err != nil {
		return nil, p.explainBody(ctx, err)
	}
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	switch {
	case int64(len(data)) > limit:
		return nil, providers.TooLargeError(limit)
	case err != nil:
		return nil, p.explainBody(ctx, err)
	}
	return data, nil
}

func (p *Progress) explainBody(ctx context.Context, err error) error {
	if class, _ := providers.Classify(err); class == providers.ClassPermanent {
		return err
	}
	return p.explain(ctx, err)
}

// decoder returns a reader of what the body means.
func decoder(resp *http.Response, limit int64) (io.Reader, error) {
	encoding := strings.ToLower(strings.Join(resp.Header.Values("Content-Encoding"), ", "))
	switch strings.TrimSpace(encoding) {
	case "", "identity":
		if resp.ContentLength > limit {
			return nil, providers.TooLargeError(limit) // not worth a byte
		}
		return resp.Body, nil
	case "gzip", "x-gzip":
		z, err := gzip.NewReader(&capped{resp.Body, limit + compressedSlack, limit})
		if err != nil {
			return nil, gzipError(err)
		}
		return gzipReader{z}, nil
	}
	return nil, providers.Permanent(fmt.Errorf("the body has Content-Encoding %s, which was not asked for", Escape(cut(encoding, 100))))
}

// gzipReader names the decoder in errors: "unexpected EOF" alone says little.
type gzipReader struct{ r io.Reader }

func (g gzipReader) Read(b []byte) (int, error) {
	n, err := g.r.Read(b)
	if err != nil && err != io.EOF {
		err = gzipError(err)
	}
	return n, err
}

func gzipError(err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF // an empty body is no gzip stream
	}
	if class, _ := providers.Classify(err); class == providers.ClassPermanent {
		return err
	}
	return fmt.Errorf("decode gzip: %w", err)
}

// capped fails after left bytes.
type capped struct {
	r     io.Reader
	left  int64
	limit int64
}

func (c *capped) Read(b []byte) (int, error) {
	if c.left <= 0 {
		return 0, providers.TooLargeError(c.limit)
	}
	n, err := c.r.Read(b[:min(int64(len(b)), c.left)])
	c.left -= int64(n)
	return n, err
}

// drained is how much of a body nobody wants is read to keep the connection.
const drained = 16 << 10

// Discard ends an answer whose body nobody wants. A short body is read so that the
// connection can be used again; a longer one costs the connection.
func Discard(resp *http.Response) {
	_, _ = io.CopyN(io.Discard, resp.Body, drained)
	_ = resp.Body.Close()
}
