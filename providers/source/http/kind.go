package http

import "tidegate/providers"

// Kind returns the kind.
func Kind() *providers.Kind {
	return providers.SourceKind("http", providers.Doc{
		Summary:     "The body of an HTTP response.",
		Description: description,
		Example:     example,
		Detectors:   []string{"etag", "hash", "webhook"},
	}, defaults, build)
}

const description = `Asks a URL for a value. Only status 200 brings one. Where the server sends an ETag or a
Last-Modified, later looks are conditional and cost a 304 as long as nothing changed; a server without
validators is compared by content. Bodies compressed with gzip are decoded, and max_bytes counts what comes out.

When a look fails (the server cannot be reached, a certificate is not trusted, any status but 200 and 304, a
body that is cut, too large or in an unknown encoding) the accepted value stays in use. 404 and 410 are such
failures too: a missing value is not an empty one. 429 and 503 are asked again no sooner than Retry-After says,
at most an hour. A response with neither Content-Length nor chunks can be cut without a trace: only a decoder
such as json notices, so prefer one over text and bytes.

Mirrors are tried in order after a failure, with the same headers and credentials. A mirror that lags behind
serves an older value: list only those that are replaced together.

Redirects are followed within the same scheme and host, five at most. With follow_redirects also to other
hosts, which get neither headers nor credentials nor a body; never from https to http. Link-local addresses and
the metadata services of clouds are refused wherever a name or a redirect leads, and the proxy variables of the
environment are not used. Query values of the URL are left out of messages.`

const example = `source "http" "app" {
  url          = "https://config.example.com/api/config/app.json"
  bearer_token = env.CONFIG_TOKEN
  timeout      = "5s"
  mirrors      = ["https://config-2.example.com/api/config/app.json"]

  headers = {
    Accept = "application/json"
  }

  tls {
    ca_file = "certs/internal-ca.pem"
  }

  retry {
    attempts = 5
    max      = "10s"
  }
}
`
