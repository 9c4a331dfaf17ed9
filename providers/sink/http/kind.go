package http

import "tidegate/providers"

// Kind returns the kind.
func Kind() *providers.Kind {
	return providers.SinkKind("http", providers.Doc{
		Summary:     "Sends a request to a server.",
		Description: description,
		Example:     example,
	}, defaults, build)
}

const description = `Sends its body to a URL whenever url, method, headers or body changed, or a trigger fired. Credentials
(bearer_token, the secret of sign, headers such as Authorization, Cookie or X-Api-Key, and any header with auth,
cookie, credential, key, password, secret, signature or token in its name) are sent but not compared: a new token
alone delivers nothing.

Every request carries an Idempotency-Key that stays the same until the delivery is acknowledged or superseded by
newer content. A receiver that remembers the keys it has seen can drop repetitions; the delivery is made at least
once. Any 2xx acknowledges it, or only the statuses in success_codes. After a timeout or a broken connection it is
unknown whether the server acted, and the request is repeated with the same key.

400, 409, 422 and other 4xx are final for this content, and after a 410 apply --watch does not send it again until the
content or the block changes; 408, 425, 429 and 5xx are tried again, no sooner than
Retry-After says, at most an hour. Redirects are not followed. The target cannot be read back, so there is no drift,
and on_destroy = "delete" is not possible.

With a sign block the body is signed twice, so that receivers of both schemes can check it. Standard Webhooks:
webhook-id is the Idempotency-Key, webhook-timestamp the Unix time of the attempt, and webhook-signature
"v1," and the base64 of HMAC-SHA256 over id.timestamp.body. GitHub's: X-Hub-Signature-256 is "sha256=" and the hex of
HMAC-SHA256 over the body, with the key of the same bytes.

Content-Type is application/json when the body is JSON, else text/plain, unless headers gives one.`

const example = `sink "http" "notify" {
  url          = "https://deploy.example.com/hooks/config"
  body         = jsonencode({ version = source.http.app.version })
  bearer_token = env.DEPLOY_TOKEN
  timeout      = "30s"

  headers = {
    Content-Type = "application/json"
  }

  sign {
    secret = env.WEBHOOK_SECRET
  }
}
`
