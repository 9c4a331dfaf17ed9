package web

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
)

// answer is what a request gets: a status and a JSON body that is made once. The body of an
// error is {"error": what is wrong, "help": what to do}.
type answer struct {
	code       int
	body       []byte
	retryAfter int // seconds, 0 for none
}

// problem is the body of an error.
type problem struct {
	Error    string   `json:"error"`
	Help     string   `json:"help,omitempty"`
	Findings []string `json:"findings,omitempty"`
}

func refuse(code int, what, help string) *answer {
	return &answer{code: code, body: jsonLine(problem{Error: what, Help: help})}
}

// jsonLine writes a value of ours on one line, with its end.
func jsonLine(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return []byte(`{"error":"the answer could not be written"}` + "\n")
	}
	return b.Bytes()
}

// after returns the answer with the seconds after which to try again.
func (a *answer) after(seconds int) *answer {
	out := *a
	out.retryAfter = max(1, seconds)
	return &out
}

var (
	typeJSON   = []string{"application/json"}
	closing    = []string{"close"}
	noSniff    = []string{"nosniff"}
	noStore    = []string{"no-store"}
	noFrames   = []string{"DENY"}
	noContent  = []string{"default-src 'none'; frame-ancestors 'none'"}
	challenge  = []string{`Bearer realm="tidegate"`}
	allowPost  = []string{"POST"}
	allowRead  = []string{"GET, HEAD"}
	tryShortly = []string{"1"}
)

// write sends the answer.
func (a *answer) write(w http.ResponseWriter) {
	h := w.Header()
	h["Content-Type"] = typeJSON
	switch {
	case a.retryAfter == 1:
		h["Retry-After"] = tryShortly
	case a.retryAfter > 1:
		h["Retry-After"] = []string{strconv.Itoa(a.retryAfter)}
	}
	if a.code == http.StatusUnauthorized && h["Www-Authenticate"] == nil {
		h["Www-Authenticate"] = challenge
	}
	w.WriteHeader(a.code)
	_, _ = w.Write(a.body)
}

// The answers that are always the same.
var (
	okAccepted  = &answer{code: http.StatusOK, body: []byte(`{"status":"accepted"}` + "\n")}
	okUnchanged = &answer{code: http.StatusOK, body: []byte(`{"status":"unchanged"}` + "\n")}
	okNotified  = &answer{code: http.StatusOK, body: []byte(`{"status":"notified"}` + "\n")}
	okHealthy   = &answer{code: http.StatusOK, body: []byte(`{"status":"ok"}` + "\n")}
	okReady     = &answer{code: http.StatusOK, body: []byte(`{"status":"ready"}` + "\n")}

	unauthorized = refuse(http.StatusUnauthorized, "not authenticated",
		"Sign the raw body with a secret of the receiver (Standard Webhooks with a time within 300 s of ours, or X-Hub-Signature-256), or send its bearer token; each header once.")
	needToken = refuse(http.StatusUnauthorized, "not authenticated",
		"Send one of the listener's tokens as Authorization: Bearer TOKEN.")
	crossOrigin = refuse(http.StatusForbidden, "cross-origin request refused",
		"Requests that change something cannot come from another site's page.")
	notFound   = refuse(http.StatusNotFound, "no such path", "There are /webhook/config, /webhook/notify/NAME, /healthz, /readyz, /metrics, /api/v1/status, /api/v1/graph, /api/v1/history, /api/v1/events and the status page /.")
	noAddress  = refuse(http.StatusBadRequest, "no address", "Write address as in source.http.app.")
	noName     = refuse(http.StatusNotFound, "no source of this config_name", "Declare a source \"webhook\" or a push block with the name, or correct config_name.")
	noDetector = refuse(http.StatusNotFound, "no detector of this name", "Declare a detector \"webhook\" with the name, or correct the URL.")
	badName    = refuse(http.StatusBadRequest, "config_name cannot be a name",
		"A name that is not declared has 1 to 253 letters, digits, and \"_\", \"-\" and \".\" within, and is no file name that a system reserves.")
	misdirected = refuse(http.StatusMisdirectedRequest, "unknown Host",
		"Use an IP address, localhost, this machine's name or a name of the certificate, or add the name to hosts in the listener block.")
	noPost   = refuse(http.StatusMethodNotAllowed, "method not allowed", "Use POST.")
	noGet    = refuse(http.StatusMethodNotAllowed, "method not allowed", "Use GET.")
	noJSON   = refuse(http.StatusUnsupportedMediaType, "the body is not declared as JSON", "Send Content-Type: application/json.")
	coded    = refuse(http.StatusUnsupportedMediaType, "the body is compressed", "Send it without Content-Encoding.")
	large    = refuse(http.StatusRequestEntityTooLarge, "the body is larger than 1 MiB", "Have a source fetch what is larger, and send a notification only.")
	slow     = refuse(http.StatusRequestTimeout, "the body did not arrive in time", "Send it again.")
	cut      = refuse(http.StatusBadRequest, "the body could not be read", "Send as many bytes as Content-Length says.")
	tooFast  = refuse(http.StatusTooManyRequests, "too many requests", "Send fewer, or sign them: authenticated requests are not limited.")
	noRoom   = refuse(http.StatusServiceUnavailable, "too much is under way", "Send it again later.").after(1)
	stopping = refuse(http.StatusServiceUnavailable, "shutting down", "Send it again later.").after(2)
	conflict = refuse(http.StatusConflict, "the id of this delivery came before with another body", "Give every delivery its own id, and repeat one only with the same body.")
	notReady = refuse(http.StatusServiceUnavailable, "not ready", "Not every source was tried yet.").after(1)
	broken   = refuse(http.StatusInternalServerError, "internal error", "This is a bug; the log says where.")
)
