package httpclient

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"tidegate/providers"
)

func gzipped(t testing.TB, data []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	if _, err := z.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func response(encoding string, body io.Reader) *http.Response {
	h := http.Header{}
	if encoding != "" {
		h.Set("Content-Encoding", encoding)
	}
	return &http.Response{Header: h, Body: io.NopCloser(body), ContentLength: -1}
}

func TestReadBody(t *testing.T) {
	text := []byte(`{"a": 1}`)
	zipped := gzipped(t, text)
	corrupt := bytes.Clone(zipped)
	corrupt[len(corrupt)-6] ^= 0xff // the checksum
	for name, test := range map[string]struct {
		encoding string
		body     []byte
		limit    int64
		want     string // of the error, "" for none
	}{
		"plain":             {"", text, 100, ""},
		"identity":          {"Identity", text, 100, ""},
		"exactly the limit": {"", text, int64(len(text)), ""},
		"one more":          {"", text, int64(len(text)) - 1, "larger than max_bytes = 7"},
		"gzip":              {"gzip", zipped, 100, ""},
		"x-gzip":            {"X-GZip", zipped, 100, ""},
		"gzip, one more":    {"gzip", zipped, int64(len(text)) - 1, "larger than max_bytes"},
		"gzip, cut":         {"gzip", zipped[:len(zipped)-3], 100, "cut off"},
		"gzip, empty":       {"gzip", nil, 100, "cut off"},
		"gzip, corrupt":     {"gzip", corrupt, 100, "decode gzip: gzip: invalid checksum"},
		"gzip, not gzip":    {"gzip", bytes.Repeat(text, 3), 100, "decode gzip: gzip: invalid header"},
		"gzip, then dirt":   {"gzip", append(bytes.Clone(zipped), "dirt and more dirt"...), 100, "decode gzip"},
		"brotli":            {"br", text, 100, "Content-Encoding br, which was not asked for"},
		"twice":             {"gzip, gzip", zipped, 100, "Content-Encoding gzip, gzip"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ReadBody(t.Context(), &Progress{}, response(test.encoding, bytes.NewReader(test.body)), test.limit)
			if test.want != "" {
				wantError(t, err, test.want)
				if got != nil {
					t.Errorf("a part of the body came back: %q", got)
				}
				return
			}
			if err != nil || !bytes.Equal(got, text) {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}

// emptyMembers is a gzip stream that decodes to nothing, and far longer than any limit here.
type emptyMembers struct {
	member, rest []byte
	read         int
}

func (e *emptyMembers) Read(b []byte) (int, error) {
	if e.read > 2<<20 || len(b) == 0 {
		return 0, errors.New("read far beyond the limit")
	}
	if len(e.rest) == 0 {
		e.rest = e.member
	}
	n := copy(b, e.rest)
	e.rest = e.rest[n:]
	e.read += n
	return n, nil
}

func TestFaultH12EndlessGzipOfNothing(t *testing.T) {
	_, err := ReadBody(t.Context(), &Progress{}, response("gzip", &emptyMembers{member: gzipped(t, nil)}), 1000)
	wantError(t, err, "larger than max_bytes = 1000")
	if class, _ := providers.Classify(err); class != providers.ClassPermanent {
		t.Error("too large a body stays too large: the error must be permanent")
	}
}

func TestReadBodyRefusesALengthBeyondTheLimitUnread(t *testing.T) {
	resp := response("", failingReader{})
	resp.ContentLength = 1001
	_, err := ReadBody(t.Context(), &Progress{}, resp, 1000)
	wantError(t, err, "larger than max_bytes")
}

type failingReader struct{}

func (failingReader) Read([]byte) (int, error) { return 0, errors.New("must not be read") }

func TestExcerpt(t *testing.T) {
	long := strings.Repeat("é", MaxExcerpt)
	for name, test := range map[string]struct{ body, want string }{
		"plain":       {"bad field", "bad field"},
		"lines":       {"a\nb\tc\r\n", `a\nb\tc`},
		"terminal":    {"\x1b[31mred\x07 \u202e\x9b", `\u001b[31mred\u0007 \u202e\x9b`},
		"not UTF-8":   {"a\xffb\uFFFDc", "a\\xffb\uFFFDc"},
		"long":        {long, long[:MaxExcerpt] + "..."},
		"secret":      {"token hunter2 is bad", "token *** is bad"},
		"secret, cut": {strings.Repeat("a", MaxExcerpt-8) + " hunter2", strings.Repeat("a", MaxExcerpt-8) + " ***"},
	} {
		t.Run(name, func(t *testing.T) {
			got := Excerpt(response("", strings.NewReader(test.body)), func(s string) string { return strings.ReplaceAll(s, "hunter2", "***") })
			if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
	if got := Excerpt(response("gzip", strings.NewReader("x")), nil); got != "" {
		t.Errorf("compressed bytes were shown: %q", got)
	}
}
