// Package httpclient is what the http source and the http sink share: connections, TLS,
// limits, and errors that say what to do next.
//
// What happens when this fails? Every request ends by its timeout, whatever the server
// does: the deadline covers the name lookup, connecting, the TLS handshake, waiting for
// the headers and reading the body, and the error names the step at which it ran out. A
// failed request costs its connection and nothing else; the next one starts afresh. There
// is no repeating in here but that of net/http itself, which sends a request again when a
// kept connection turns out to be closed before any answer came.
//
// What a server may cost is bounded: 64 KiB of response headers, and as many decoded bytes
// of a body as the caller allows. Compressed bodies are decoded here so that the limit
// counts what comes out, not what went in.
//
// Some addresses are never dialled: link-local ones and the metadata services of clouds,
// checked on the resolved address, so that neither a redirect nor a name that changes its
// mind leads there. Loopback and private addresses are where configuration servers live
// and are allowed. Proxy variables of the environment (HTTP_PROXY and the like) are not
// used: whoever can set a variable must not be able to read and replace configuration.
//
// A body that has neither a Content-Length nor chunks ends where the connection ends, and
// HTTP/1 cannot tell such an end from a cut. It is accepted as it came; only the decoder
// of the value can prove that it is whole. A gzip stream proves it by its checksum.
package httpclient
