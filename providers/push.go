package providers

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MinSecret is the fewest bytes a signing secret may have: what can be guessed signs nothing.
const MinSecret = 24

// MaxConfigName is the most bytes a config_name may have.
const MaxConfigName = 253

// Push returns what a sender must prove, for a source of the given name.
func (s *PushSettings) Push(name string) Push {
	p := Push{ConfigName: name, Secrets: s.Secrets}
	if s.ConfigName != nil {
		p.ConfigName = *s.ConfigName
	}
	if s.BearerToken != nil {
		p.BearerToken = *s.BearerToken
	}
	return p
}

// Check returns all mistakes in the settings, as AttributeErrors put together by errors.Join.
// block is the name of the nested block they stand in, "" where they are the kind's own.
func (s *PushSettings) Check(block string) error {
	if s == nil {
		return nil
	}
	prefix := ""
	if block != "" {
		prefix = block + "."
	}
	var wrong []error
	if s.ConfigName != nil {
		wrong = append(wrong, checkConfigName(prefix+"config_name", *s.ConfigName))
	}
	return errors.Join(append(wrong, CheckCredentials(prefix, s.Secrets, s.BearerToken))...)
}

func checkConfigName(attribute, name string) error {
	switch {
	case name == "":
		return AttributeErrorf(attribute, "is empty; leave it out for the block's name")
	case len(name) > MaxConfigName:
		return AttributeErrorf(attribute, "has %d bytes, and %d are allowed", len(name), MaxConfigName)
	case !utf8.ValidString(name):
		return AttributeErrorf(attribute, "%q is not valid UTF-8", name)
	case strings.ContainsFunc(name, unicode.IsControl):
		return AttributeErrorf(attribute, "%q contains a control character", name)
	case strings.Contains(name, "/"), strings.Contains(name, ".."):
		return AttributeErrorf(attribute, "%q looks like a path; a name may contain neither \"/\" nor \"..\"", name)
	}
	return nil
}

// CheckCredentials returns what is wrong with secrets and a bearer token, without quoting
// them. prefix stands before the names of the attributes. What is set to nothing is a
// mistake: an empty variable would otherwise open the door.
func CheckCredentials(prefix string, secrets []string, token *string) error {
	var wrong []error
	fail := func(attribute, format string, args ...any) {
		wrong = append(wrong, AttributeErrorf(prefix+attribute, format, args...))
	}
	if secrets != nil && len(secrets) == 0 {
		fail("secrets", "the list is empty; leave it out if requests need no signature")
	}
	for i, s := range secrets {
		n, err := secretSize(s)
		switch {
		case err != nil:
			fail("secrets", "the %s begins with whsec_, but %w", ordinal(i, len(secrets)), err)
		case n < MinSecret:
			fail("secrets", "the %s has %d bytes; at least %d are needed, so that it cannot be guessed (for example from: openssl rand -base64 32)", ordinal(i, len(secrets)), n, MinSecret)
		}
	}
	switch {
	case token == nil:
	case *token == "":
		fail("bearer_token", "is empty; leave it out if no token may be sent")
	case strings.ContainsFunc(*token, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
		fail("bearer_token", "contains spaces, line ends or characters beyond ASCII, which no Authorization header can carry")
	}
	return errors.Join(wrong...)
}

// secretSize returns the bytes of the key: those that the base64 after whsec_ stands for
// (the form of Standard Webhooks), else those of the text.
func secretSize(s string) (int, error) {
	encoded, ok := strings.CutPrefix(s, "whsec_")
	if !ok {
		return len(s), nil
	}
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return 0, errors.New("what follows is no base64")
	}
	return len(key), nil
}

func ordinal(i, n int) string {
	if n == 1 {
		return "secret"
	}
	return fmt.Sprintf("secret number %d", i+1)
}
