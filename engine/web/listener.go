package web

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"tidegate/engine"
	"tidegate/hclspec/mark"
	"tidegate/hclspec/typo"
)

// DefaultAddress is where a listener block without address listens.
const DefaultAddress = "127.0.0.1:8420"

// shortToken is the length below which a token is warned about.
const shortToken = 16

// Listener is the listener block.
type Listener struct {
	Address  string   // host:port; without a host all addresses of the machine
	TLS      *TLS     // nil without
	Tokens   []string // in clear; any of them lets read the API and the metrics
	Hosts    []string // further names under which it may be addressed, "*" for any
	Insecure bool     // without guard on any address
	Range    hcl.Range
}

// TLS is the tls block; the paths are absolute.
type TLS struct{ CertFile, KeyFile string }

var (
	listenerSchema = &hcl.BodySchema{
		Attributes: []hcl.AttributeSchema{{Name: "address"}, {Name: "tokens"}, {Name: "hosts"}, {Name: "insecure"}},
		Blocks:     []hcl.BlockHeaderSchema{{Type: "tls"}},
	}
	tlsSchema = &hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "cert_file", Required: true}, {Name: "key_file", Required: true}}}
)

// DecodeListener decodes a listener block. Relative paths are below dir. Values that are
// unknown, as when nothing but the configuration is looked at, are passed over.
func DecodeListener(body hcl.Body, ctx *hcl.EvalContext, dir string) (*Listener, hcl.Diagnostics) {
	l := &Listener{Address: DefaultAddress, Range: body.MissingItemRange()}
	content, diags := typo.Content(body, listenerSchema)
	if attr := content.Attributes["address"]; attr != nil {
		diags = append(diags, decodeAttr(attr, ctx, cty.String, func(v cty.Value) error {
			l.Address = v.AsString()
			return checkAddress(l.Address)
		})...)
	}
	if attr := content.Attributes["tokens"]; attr != nil {
		diags = append(diags, decodeAttr(attr, ctx, cty.List(cty.String), func(v cty.Value) (err error) {
			l.Tokens, err = texts(v)
			return err
		})...)
		if slices.ContainsFunc(l.Tokens, func(t string) bool { return len(t) < shortToken }) {
			diags = append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagWarning, Summary: "Short token", Subject: attr.Expr.Range().Ptr(),
				Detail: fmt.Sprintf("A token of fewer than %d characters can be guessed. `openssl rand -base64 32` makes a better one.", shortToken),
			})
		}
	}
	if attr := content.Attributes["hosts"]; attr != nil {
		diags = append(diags, decodeAttr(attr, ctx, cty.List(cty.String), func(v cty.Value) (err error) {
			l.Hosts, err = texts(v)
			return err
		})...)
	}
	if attr := content.Attributes["insecure"]; attr != nil {
		diags = append(diags, decodeAttr(attr, ctx, cty.Bool, func(v cty.Value) error {
			l.Insecure = v.True()
			return nil
		})...)
	}
	for i, block := range content.Blocks {
		if i > 0 {
			diags = append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagError, Summary: "Duplicate tls block", Subject: &block.DefRange,
				Detail: fmt.Sprintf("There is at most one tls block; the first is at %s.", content.Blocks[0].DefRange),
			})
			continue
		}
		more := l.decodeTLS(block, ctx, dir)
		diags = append(diags, more...)
	}
	return l, diags
}

func (l *Listener) decodeTLS(block *hcl.Block, ctx *hcl.EvalContext, dir string) hcl.Diagnostics {
	content, diags := typo.Content(block.Body, tlsSchema)
	l.TLS = new(TLS)
	for name, into := range map[string]*string{"cert_file": &l.TLS.CertFile, "key_file": &l.TLS.KeyFile} {
		attr := content.Attributes[name]
		if attr == nil {
			continue
		}
		diags = append(diags, decodeAttr(attr, ctx, cty.String, func(v cty.Value) error {
			path := v.AsString()
			if path == "" {
				return errors.New("a path is needed")
			}
			if !filepath.IsAbs(path) {
				path = filepath.Join(dir, path)
			}
			*into = filepath.Clean(path)
			return nil
		})...)
	}
	return diags
}

// decodeAttr evaluates an attribute and hands on its plain value, known and not null.
func decodeAttr(attr *hcl.Attribute, ctx *hcl.EvalContext, want cty.Type, use func(cty.Value) error) hcl.Diagnostics {
	v, diags := attr.Expr.Value(ctx)
	if diags.HasErrors() {
		return diags
	}
	v, _ = mark.Reveal(v)
	v, err := convert.Convert(v, want)
	switch {
	case err != nil:
		err = fmt.Errorf("%s is needed", want.FriendlyName())
	case v.IsNull():
		return diags // as if it were left out
	case !v.IsWhollyKnown():
		return diags
	default:
		err = use(v)
	}
	if err != nil {
		diags = append(diags, &hcl.Diagnostic{
			Severity: hcl.DiagError, Summary: "Invalid " + attr.Name, Subject: attr.Expr.Range().Ptr(),
			Detail: fmt.Sprintf("In the listener block: %s.", err),
		})
	}
	return diags
}

func texts(list cty.Value) ([]string, error) {
	var out []string
	for _, v := range list.AsValueSlice() {
		if v.IsNull() || v.AsString() == "" {
			return nil, errors.New("no element of the list may be null or empty")
		}
		out = append(out, v.AsString())
	}
	return out, nil
}

func checkAddress(address string) error {
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	if err != nil || port == "" {
		return fmt.Errorf("%q is no address; write host:port, as in %q", address, DefaultAddress)
	}
	return nil
}

// IsLoopback reports whether an address can be reached from this machine only.
func IsLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

// Check reports why the listener may not run with the receivers: it can be reached from
// other machines, and something that it needs there is missing.
func (l *Listener) Check(r *engine.Receivers) error {
	if l.Insecure || IsLoopback(l.Address) {
		return nil
	}
	var missing []string
	if l.TLS == nil {
		missing = append(missing, "a tls block")
	}
	if len(l.Tokens) == 0 {
		missing = append(missing, "tokens")
	}
	if open := openReceivers(r); len(open) > 0 {
		missing = append(missing, "secrets or a bearer_token on "+strings.Join(open, ", "))
	}
	if len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("the listener at %s can be reached from other machines and lacks %s; add what is missing, listen on a loopback address such as %s, or set insecure = true",
		l.Address, strings.Join(missing, ", and "), DefaultAddress)
}

// openReceivers names those that ask for nothing, a few at most.
func openReceivers(r *engine.Receivers) []string {
	const shown = 5
	var open []string
	add := func(r *engine.Receiver) {
		if r != nil && r.Open() {
			open = append(open, r.Address.String())
		}
	}
	if r != nil {
		for _, one := range r.Sources {
			add(one)
		}
		for _, one := range r.Detectors {
			add(one)
		}
		add(r.Wildcard)
	}
	slices.Sort(open)
	if len(open) > shown {
		open = append(open[:shown], fmt.Sprintf("%d others", len(open)-shown))
	}
	return open
}
