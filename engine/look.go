package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"tidegate/engine/plan"
	"tidegate/engine/state"
	"tidegate/hclspec/mark"
	"tidegate/providers"
)

// look is what one look at a source brought, and the parts of it that only the observer needs.
type look struct {
	*plan.SourceObservation
	diags hcl.Diagnostics
	text  []byte // of the accepted snapshot, nil if it was not read
	fresh []byte

	source        providers.Source          // that was asked, nil if it could not be made
	settings      *providers.SourceSettings // of the source
	class         providers.Class           // of Err, where the fetch failed
	failedToFetch bool
	fetched       *fetched      // by a glance
	healed        []byte        // the accepted bytes, had again after they were lost
	lostSent      bool          // the accepted bytes were sent, and are lost
	after         time.Duration // what the origin asked for before the next look

	certificateEnds time.Time // of the origin, zero if it has none or did not answer
}

// lookAt fetches, decodes and judges one source. It changes nothing.
func (o *observer) lookAt(ctx context.Context, n *node) *look {
	l := &look{SourceObservation: &plan.SourceObservation{Address: n.addr, Kind: n.addr.Kind}}
	row := o.ledger.Sources[n.addr]
	if o.scene != nil {
		l.fetched = o.scene.fetched
	}
	ev, diags := o.evaluated(n)
	l.diags = diags
	if diags.HasErrors() {
		l.Err = "its configuration is wrong: " + firstError(diags)
		o.stored(ctx, l, row, false)
		return l
	}
	for _, a := range n.limits {
		l.Limits = append(l.Limits, a.String())
	}
	l.source = ev.source
	if ev.source == nil {
		l.Blocked = o.unknownReason(n)
		o.stored(ctx, l, row, false)
		return l
	}
	if id, ok := ev.source.(providers.Identifier); ok {
		l.Identity = ev.shown(id.Identity())
	}
	settings := ev.settings.(*providers.SourceSettings)
	l.settings, l.Judged = settings, o.judgedOnce(n, ev)
	if o.options.NoRefresh {
		// Nobody looked, so nothing failed and nothing new is judged.
		if row.Current() == nil {
			l.Blocked = "it was not looked at (--refresh=false), and nothing was ever accepted"
			return l
		}
		l.Same, l.Validator, l.Judged = true, row.Validator, row.Judged
		o.stored(ctx, l, row, settings.Sensitive)
		return l
	}
	known := row
	sent := wasSent(n, ev.source, settings, row.Current())
	if o.scene != nil && o.scene.lost && (!sent || o.scene.pushed != nil) {
		known = nil
	}
	if !o.admits(n, l) {
		o.stored(ctx, l, row, settings.Sensitive)
		o.judge(ctx, l, n, ev, settings, row)
		return l
	}
	snapshot, err := o.obtain(ctx, l, n, ev.source, settings, known)
	if l.Waiting {
		o.judge(ctx, l, n, ev, settings, row)
		return l
	}
	if err == nil {
		l.certificateEnds = snapshot.CertificateEnds
		if o.scene == nil { // a daemon would say it at each look
			l.diags = append(l.diags, o.expiring(n, l.certificateEnds)...)
		}
	}
	if err == nil && snapshot.NotModified && o.idle(l, row) && !o.scene.lost {
		// Nothing moved: no byte is read, decoded or written.
		l.Same, l.Validator = true, cmp.Or(snapshot.Validator, row.Validator)
		return l
	}
	if err == nil && snapshot.NotModified && !o.recall(ctx, l, row.Current()) {
		// What has not been modified is lost here: it is had again by asking without a validator.
		if err, l.lostSent = errLostPush, sent; !sent {
			snapshot, err = o.fetch(ctx, n, ev.source, settings, nil)
		}
	}
	if err != nil {
		_, l.after = providers.Classify(err)
		l.class, _ = providers.Classify(err)
		l.failedToFetch = true
		l.Err = o.redactorOf(n, o.prog.valuesOf(n, ev)).text(err.Error())
	} else {
		l.Validator = snapshot.Validator
		if snapshot.NotModified && l.Validator == "" {
			l.Validator = row.Validator
		}
		o.take(l, n, settings, snapshot, known.Current())
		if known == nil && row.Current() != nil && l.Fresh != nil && l.Fresh.Blob == row.Current().Blob {
			l.healed, l.Fresh, l.Value, l.Same = l.Data, nil, cty.NilVal, true
		}
		if l.Fresh != nil && l.Identity == mark.Redacted {
			l.Fresh.Location = "" // it has chosen the decoder, and is not to be kept
		}
	}
	if o.scene != nil && row.Current() != nil && (l.Err != "" || l.Same && o.idle(l, row)) {
		l.Accepted = cty.DynamicVal // there is one, and what it is matters to nobody now
		l.text = nil
		return l
	}
	o.stored(ctx, l, row, settings.Sensitive)
	o.judge(ctx, l, n, ev, settings, row)
	return l
}

// errLostPush says that nobody but the sender can give the accepted value back.
var errLostPush = providers.Permanent(errors.New("the accepted value was sent to it, and the state has lost it; send it again"))

// renewBefore is how long before its end a certificate should have been renewed.
const renewBefore = 14 * 24 * time.Hour

// expiring warns of a certificate whose end is near: from then on the source would fail.
func (o *observer) expiring(n *node, ends time.Time) hcl.Diagnostics {
	left := ends.Sub(o.now)
	if ends.IsZero() || left >= renewBefore {
		return nil
	}
	return hcl.Diagnostics{{
		Severity: hcl.DiagWarning, Summary: "Certificate ends soon", Subject: n.rng().Ptr(),
		Detail: fmt.Sprintf("The certificate of the server of %s ends on %s, in %s. From then on every look at it fails. Renew the certificate.",
			n.addr, ends.UTC().Format(time.RFC3339), days(left)),
	}}
}

func days(d time.Duration) string {
	switch n := int(d.Hours() / 24); {
	case n >= 2:
		return fmt.Sprintf("%d days", n)
	case d >= time.Hour:
		return fmt.Sprintf("%d hours", int(d.Hours()))
	}
	return "less than an hour"
}

// fetched is what a glance at an origin brought, where that has to be looked at in full.
type fetched struct {
	snapshot providers.Snapshot
	err      error
}

// idle reports whether a value that did not change need not even be judged again.
func (o *observer) idle(l *look, row *state.Source) bool {
	return o.scene != nil && row.Current() != nil && row.Judged == l.Judged
}

func firstError(diags hcl.Diagnostics) string {
	for _, d := range diags {
		if d.Severity == hcl.DiagError {
			return d.Summary
		}
	}
	return ""
}

// fetch looks at the origin, with the source's retries, within the limits on concurrent looks.
func (o *observer) fetch(ctx context.Context, n *node, src providers.Source, s *providers.SourceSettings, row *state.Source) (providers.Snapshot, error) {
	if snapshot, ok := o.foretell(n); ok {
		return snapshot, nil
	}
	if o.scene == nil { // a daemon's gate has let us in already
		release, err := o.fetches.acquire(ctx, hostOf(src))
		if err != nil {
			return providers.Snapshot{}, err
		}
		defer release()
	}
	last := ""
	if row.Current() != nil {
		last = row.Validator
	}
	retry := providers.Retry{Attempts: 1}
	if r, ok := src.(providers.Retrier); ok && o.scene == nil {
		retry = r.Retry()
	}
	if s.MaxBytes != providers.DefaultMaxBytes {
		ctx = providers.WithFetchLimit(ctx, s.MaxBytes)
	}
	for attempt := 1; ; attempt++ {
		snapshot, err := src.Fetch(ctx, last)
		if err == nil && snapshot.Parts != nil {
			o.overlay(n, &snapshot)
		}
		for _, a := range n.written {
			snapshot.Sensitive = snapshot.Sensitive || o.secret[a]
		}
		if err == nil && snapshot.NotModified && last == "" {
			err = errors.New("the origin answered that nothing changed, but it was not asked so")
		}
		class, after := providers.Classify(err)
		if err == nil || class == providers.ClassPermanent || attempt >= retry.Attempts || after > retry.Max.Value() {
			return snapshot, err
		}
		if !sleep(ctx, retry.Wait(attempt, after)) {
			return snapshot, err
		}
	}
}

// sleep waits and reports whether it was not interrupted.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

func hostOf(src providers.Source) string {
	id, ok := src.(providers.Identifier)
	if !ok {
		return ""
	}
	u, err := url.Parse(id.Identity())
	if err != nil {
		return ""
	}
	return u.Host
}

// foretell answers for a source whose file a sink of this plan is about to write: what it
// will find there is known.
func (o *observer) foretell(n *node) (providers.Snapshot, bool) {
	for _, a := range n.written {
		if f, ok := o.pending[a]; ok && f.path == n.reads {
			return providers.Snapshot{Data: f.data, Location: n.reads, Sensitive: f.sensitive}, true
		}
	}
	return providers.Snapshot{}, false
}

// overlay puts what sinks of this plan are about to write into a directory that was read.
func (o *observer) overlay(n *node, snap *providers.Snapshot) {
	for _, a := range n.written {
		f, ok := o.pending[a]
		if !ok {
			continue
		}
		name, err := filepath.Rel(n.reads, f.path)
		if err != nil {
			continue
		}
		name = filepath.ToSlash(name)
		part := providers.Part{Name: name, Data: f.data}
		i, found := slices.BinarySearchFunc(snap.Parts, name, func(p providers.Part, name string) int { return strings.Compare(p.Name, name) })
		if found {
			snap.Parts[i] = part
		} else {
			snap.Parts = slices.Insert(snap.Parts, i, part)
		}
		snap.Sensitive = snap.Sensitive || f.sensitive
	}
}
