package http

import (
	"errors"
	"slices"

	"tidegate/providers"
	"tidegate/providers/internal/httpclient"
)

// Config is the body of a sink "http" block.
type Config struct {
	URL          string             `hcl:"url" doc:"Where the request goes, http or https."`
	Method       string             `hcl:"method,optional" doc:"Request method." values:"POST,PUT,PATCH,DELETE"`
	Headers      map[string]string  `hcl:"headers,optional" doc:"Headers of the request. Their values are treated as credentials. A Content-Type is set from the body unless given here." credential:"true"`
	Body         string             `hcl:"body,optional" doc:"Body of the request, for example jsonencode(...)."`
	BearerToken  string             `hcl:"bearer_token,optional" doc:"Token that is sent as Authorization: Bearer." credential:"true"`
	Timeout      providers.Duration `hcl:"timeout,optional" doc:"Longest time for one request, from the name lookup to the answer."`
	SuccessCodes []int              `hcl:"success_codes,optional" doc:"Statuses that acknowledge the delivery. Without it every 2xx does."`
	TLS          *httpclient.TLS    `hcl:"tls,block" doc:"How https connections are made."`
	Sign         *Sign              `hcl:"sign,block" doc:"Signs the body with HMAC-SHA256, as Standard Webhooks and as X-Hub-Signature-256."`
}

// Sign is the block sign.
type Sign struct {
	Secret string `hcl:"secret" doc:"Key that the receiver shares. After the prefix whsec_ the rest is base64, as Standard Webhooks has it; any other text is the key itself." credential:"true"`
}

func defaults() *Config {
	return &Config{Method: "POST", Timeout: "10s", TLS: httpclient.DefaultTLS()}
}

func build(c *Config, env providers.Env) (providers.Sink, error) {
	s := &sink{config: c, sensitive: env.IsSensitive("url")}
	var badURL, badSign, badTLS error
	if s.url, badURL = httpclient.ParseURL(c.URL); badURL != nil {
		badURL = providers.AttributeErrorf("url", "%w", badURL)
	}
	s.signer, badSign = newSigner(c.Sign)
	s.client, badTLS = httpclient.New(httpclient.Options{TLS: c.TLS, Timeout: c.Timeout}, env)
	if err := errors.Join(badURL, checkHeaders(c), httpclient.CheckToken(c.BearerToken, c.Headers), checkCodes(c.SuccessCodes), badSign, badTLS); err != nil {
		return nil, err
	}
	return s, nil
}

func checkHeaders(c *Config) error {
	var reserved []string
	if c.Sign != nil {
		reserved = signatureHeaders
	}
	return httpclient.CheckHeaders(c.Headers, reserved...)
}

func checkCodes(codes []int) error {
	if i := slices.IndexFunc(codes, func(code int) bool { return code < 200 || code > 599 }); i >= 0 {
		return providers.AttributeErrorf("success_codes", "%d cannot be the status of an answer: use numbers between 200 and 599", codes[i])
	}
	return nil
}
