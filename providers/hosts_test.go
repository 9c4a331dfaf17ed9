package providers

import (
	"context"
	"testing"
)

func TestCheckHost(t *testing.T) {
	if err := CheckHost(context.Background(), "anywhere"); err != nil {
		t.Errorf("without a limit: %v", err)
	}
	if CheckHost(WithHosts(context.Background(), nil), "anywhere") == nil {
		t.Error("an empty list allows a host")
	}
	ctx := WithHosts(context.Background(), []string{"Example.com", "*.internal", "10.0.0.1:8080", "::1"})
	for host, allowed := range map[string]bool{
		"example.com": true, "EXAMPLE.com:8443": true, "www.example.com": false, "example.com.evil": false, "notexample.com": false,
		"a.internal": true, "a.b.internal:80": true, "internal": false, "evilinternal": false,
		"10.0.0.1:8080": true, "10.0.0.1": false, "10.0.0.1:80": false, "[::1]:443": true, "[::2]:443": false, "": false,
	} {
		err := CheckHost(ctx, host)
		if (err == nil) != allowed {
			t.Errorf("%q: %v", host, err)
		}
		if class, _ := Classify(err); err != nil && class != ClassPermanent {
			t.Errorf("%q would be tried again", host)
		}
	}
}
