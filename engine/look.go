package engine

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"tidegate/engine/plan"
	"tidegate/engine/state"
	"tidegate/hclspec/address"
	"tidegate/hclspec/decode"
	"tidegate/hclspec/mark"
	"tidegate/providers"
)

// look is what one look at a source brought, and the parts of it that only the observer needs.
type look struct {
	*plan.SourceObservation
	diags hcl.Diagnostics
	text  []byte // of the accepted snapshot, nil if it was not read
	fresh []byte

	source        providers.Source // that was asked, nil if it could not be made
	class         providers.Class  // of Err, where the fetch failed
	failedToFetch bool
	fetched       *fetched      // by a glance
	healed        []byte        // the accepted bytes, had again after they were lost
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
		l.Identity = shownUnless(o.prog.valuesOf(n, ev), id.Identity())
	}
	settings := ev.configured.Settings.(*providers.SourceSettings)
	l.Judged = o.judgedOnce(n, ev)
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
	if o.scene != nil && o.scene.lost {
		known = nil
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
	if err == nil && snapshot.NotModified && o.idle(l, row) {
		// Nothing moved: no byte is read, decoded or written.
		l.Same, l.Validator = true, cmp.Or(snapshot.Validator, row.Validator)
		return l
	}
	if err == nil && snapshot.NotModified && !o.recall(ctx, l, row.Current()) {
		// What has not been modified is lost here: it is had again by asking without a validator.
		snapshot, err = o.fetch(ctx, n, ev.source, settings, nil)
	}
	if err != nil {
		_, l.after = providers.Classify(err)
		l.class, _ = providers.Classify(err)
		l.failedToFetch = true
		l.Err = o.prog.redactor(o.prog.valuesOf(n, ev)).text(err.Error())
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

// renewBefore is how long before its end a certificate should have been renewed.
const renewBefore = 14 * 24 * time.Hour

// expiring warns of a certificate whose end is near: from then on the source would fail.
func (o *observer) expiring(n *node, ends time.Time) hcl.Diagnostics {
	left := ends.Sub(o.now)
	if ends.IsZero() || left >= renewBefore {
		return nil
	}
	return hcl.Diagnostics{{
		Severity: hcl.DiagWarning, Summary: "Certificate ends soon", Subject: n.rng.Ptr(),
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

// judgedOnce is judgedBy, or what it was before where nothing can have changed since.
func (o *observer) judgedOnce(n *node, ev *evaluated) string {
	if o.scene != nil && o.scene.judged != "" {
		return o.scene.judged
	}
	return o.judgedBy(n, ev)
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

// take turns a fetched snapshot into a candidate, or notes that it is what we have: the same
// bytes, decoded in the same way, and as secret as before.
func (o *observer) take(l *look, n *node, s *providers.SourceSettings, snap providers.Snapshot, current *state.Snapshot) {
	if snap.NotModified {
		snap = asFetched(current, l.text)
	}
	data, parts := snap.Data, snap.Parts != nil
	if parts {
		data = encodeParts(snap.Parts)
	}
	if snap.NotModified {
		data, parts = l.text, current.Parts
	}
	fresh := &state.Snapshot{
		Blob: decode.RawHash(data), Version: snap.Version, Location: snap.Location, ContentType: snap.ContentType,
		Parts: parts, Size: int64(len(data)), Sensitive: s.Sensitive || snap.Sensitive,
	}
	fresh.Sealed = fresh.Sensitive || snap.Private
	if current != nil && current.Sealed {
		if err := o.reader.KeyError(); err != nil {
			l.text = nil
			l.Err = fmt.Sprintf("nobody can tell whether it changed: %s", err)
			return
		}
	}
	if fresh.Sealed {
		fresh.Blob = o.reader.Keyed(fresh.Blob)
	}
	if fresh.Version == "" {
		fresh.Version = fresh.Blob
	}
	l.text = nil
	if int64(len(data)) > s.MaxBytes && !parts {
		l.Err = providers.TooLargeError(s.MaxBytes).Error()
		l.Unusable = true
		return
	}
	var err error
	if fresh.Format, err = chooseFormat(s, snap, parts); err != nil {
		l.Err = err.Error()
		l.Unusable = true
		return
	}
	if current != nil && fresh.Blob == current.Blob && parts == current.Parts && fresh.Format == current.Format && fresh.Sensitive == current.Sensitive && fresh.Sealed == current.Sealed {
		l.Same, l.text = true, data
		return
	}
	value, err := decodeSnapshot(fresh, data)
	if err != nil && fresh.Sensitive {
		err = errors.New("it cannot be decoded; it is sensitive, so what is wrong is not shown")
	}
	if err == nil {
		fresh.Key, err = decode.Key(value, o.ignored(n))
	}
	if err != nil {
		l.Err = err.Error()
		l.Unusable = true
		return
	}
	if fresh.Sealed {
		fresh.Key = o.reader.Keyed(fresh.Key)
	}
	if fresh.Sensitive {
		value = value.Mark(mark.Sensitive)
	}
	l.Fresh, l.Data, l.Value, l.fresh = fresh, data, value, data
}

// asFetched is the snapshot that an origin stands by with "not modified".
func asFetched(s *state.Snapshot, data []byte) providers.Snapshot {
	out := providers.Snapshot{
		NotModified: true, Data: data, ContentType: s.ContentType, Location: s.Location, Version: s.Version,
		Private: s.Sealed && !s.Sensitive,
	}
	if s.Location == "" && s.ContentType == "" {
		out.Format = s.Format // it was pushed: nothing but this says what it is
	}
	return out
}

// chooseFormat returns the decoder: of a directory the explicit one, for each file's own ending "".
func chooseFormat(s *providers.SourceSettings, snap providers.Snapshot, parts bool) (string, error) {
	switch {
	case parts:
		return s.Decode, nil
	case snap.Format != "":
		return snap.Format, nil
	}
	f, err := decode.Choose(s.Decode, snap.Location, snap.ContentType)
	if err != nil {
		return "", err
	}
	return string(f), decode.Contradicts(f, snap.ContentType)
}

// stored reads the accepted value, as it was accepted, whatever the configuration says now.
// With sensitive it is marked even if it was not when it was accepted.
func (o *observer) stored(ctx context.Context, l *look, row *state.Source, sensitive bool) {
	current := row.Current()
	if current == nil {
		return
	}
	var err error
	if l.text == nil {
		l.text, err = o.reader.Blob(ctx, current.Blob)
	}
	var value cty.Value
	if err == nil {
		value, err = decodeSnapshot(current, l.text)
	}
	if err != nil {
		l.text = nil
		if l.Same {
			l.Same = false
			l.Err = fmt.Sprintf("the accepted value cannot be read: %s", err)
		}
		return
	}
	if current.Sensitive || sensitive || l.Fresh != nil && l.Fresh.Sensitive {
		value = value.Mark(mark.Sensitive)
	}
	l.Accepted = value
}

// recall reads the accepted bytes that an origin says are still right.
func (o *observer) recall(ctx context.Context, l *look, s *state.Snapshot) bool {
	data, err := o.reader.Blob(ctx, s.Blob)
	l.text = data
	return err == nil
}

// judge holds the candidate against the rules: the fresh value, the stored one where rules or
// decoder changed, and the fallback where nothing else is left.
func (o *observer) judge(ctx context.Context, l *look, n *node, ev *evaluated, s *providers.SourceSettings, row *state.Source) {
	current := row.Current()
	again := l.Same && row.Judged != l.Judged && l.Accepted != cty.NilVal
	switch {
	case l.Fresh != nil:
		previous := l.Accepted
		l.Checks, l.Rejected = o.judgeValue(ctx, n, s, l.Value, previous, l.Data, l.Fresh.Version)
	case again:
		l.Checks, l.Rejected = o.judgeValue(ctx, n, s, l.Accepted, l.Accepted, l.text, current.Version)
	}
	if current != nil || l.Err == "" && !l.Rejected && !l.Waiting {
		return // what was accepted once is not replaced by a stand-in, even where it cannot be read
	}
	given := o.prog.valuesOf(n, ev)
	if !given.Type().HasAttribute("fallback") {
		return
	}
	fallback := given.GetAttr("fallback")
	if !fallback.IsWhollyKnown() {
		return
	}
	if s.Sensitive {
		fallback = fallback.Mark(mark.Sensitive)
	}
	l.Fallback = fallback
	checks, refused := o.judgeValue(ctx, n, s, fallback, cty.NilVal, jsonText(fallback), "fallback")
	l.FallbackFine = !refused
	if refused {
		l.Checks = append(l.Checks, checks...)
	}
}

// judgeValue asks every rule and returns all findings at once.
func (o *observer) judgeValue(ctx context.Context, n *node, s *providers.SourceSettings, value, previous cty.Value, data []byte, version string) (checks []plan.Check, rejected bool) {
	if l, ok := o.prog.static(n).(providers.Receiver); ok && l.Push().ConfigName == providers.AllNames {
		return o.judgeEach(ctx, n, s, value, previous, version)
	}
	return o.judgeOne(ctx, n, s, candidate{value: value, previous: previous, data: data, version: version})
}

// judgeEach judges the values of a source that takes every name one by one, those that are new.
func (o *observer) judgeEach(ctx context.Context, n *node, s *providers.SourceSettings, value, previous cty.Value, version string) (checks []plan.Check, rejected bool) {
	value, marks := value.Unmark()
	if !value.CanIterateElements() {
		return nil, false
	}
	for it := value.ElementIterator(); it.Next(); {
		name, v := it.Element()
		before := cty.NilVal
		if previous != cty.NilVal {
			plain, _ := previous.Unmark()
			before = attributeOr(plain, name.AsString())
			if before.RawEquals(v) {
				continue
			}
		}
		c := candidate{value: v.WithMarks(marks), previous: before, data: jsonText(v), version: version}
		more, refused := o.judgeOne(ctx, n, s, c)
		for i := range more {
			for j := range more[i].Findings {
				more[i].Findings[j] = name.AsString() + ": " + more[i].Findings[j]
			}
		}
		checks, rejected = append(checks, more...), rejected || refused
	}
	return checks, rejected
}

func (o *observer) judgeOne(ctx context.Context, n *node, s *providers.SourceSettings, c candidate) (checks []plan.Check, rejected bool) {
	if !s.AllowEmpty && decode.Empty(c.value) {
		return []plan.Check{{
			Address: n.addr.String(), Object: n.addr.String(), Status: "fail", Severity: "error",
			Findings: []string{"the value is empty, and absence is not emptiness; set allow_empty = true on the source if an empty value is meant"},
		}}, true
	}
	return o.rules(ctx, n, c)
}

type candidate struct {
	value, previous cty.Value
	data            []byte
	version         string
}

// rules judges one candidate of a source or sink by the rules it names.
func (o *observer) rules(ctx context.Context, n *node, c candidate) (checks []plan.Check, rejected bool) {
	for _, a := range n.rules {
		check := o.rule(ctx, n, a, c)
		rejected = rejected || check.Status != "pass" && check.Severity != "warning"
		checks = append(checks, check)
	}
	return checks, rejected
}

func (o *observer) rule(ctx context.Context, n *node, a address.Address, c candidate) plan.Check {
	check := plan.Check{Address: a.String(), Object: n.addr.String(), Status: "pass", Severity: "error"}
	rn := o.prog.nodes[a]
	ev, diags := o.evaluated(rn)
	if diags.HasErrors() || ev.rule == nil {
		check.Status, check.Findings = "error", []string{"the rule cannot judge: " + ruleTrouble(o, rn, diags)}
		return check
	}
	check.Severity = ev.configured.Settings.(*providers.RuleSettings).Severity
	findings, err := ev.rule.Judge(ctx, providers.Candidate{
		Value: c.value, Previous: orNull(c.previous), Data: c.data,
		Address: n.addr.String(), Version: c.version,
		Scope: o.prog.scopeOf(rn, expression{refs: rn.refs, reads: rn.files != nil}, o.values, candidateScope(n, c)),
	})
	if err != nil {
		check.Status, check.Findings = "error", []string{"the rule cannot judge: " + err.Error()}
		return check
	}
	for _, f := range findings {
		text := f.Message
		if f.Path != "" {
			text = f.Path + ": " + text
		}
		check.Findings = append(check.Findings, text)
		check.Status = "fail"
	}
	return check
}

func ruleTrouble(o *observer, n *node, diags hcl.Diagnostics) string {
	if diags.HasErrors() {
		return firstError(diags)
	}
	return o.unknownReason(n)
}

func orNull(v cty.Value) cty.Value {
	if v == cty.NilVal {
		return cty.NullVal(cty.DynamicPseudoType)
	}
	return v
}

// candidateScope is what a condition sees of the candidate.
func candidateScope(n *node, c candidate) map[string]cty.Value {
	text := cty.NullVal(cty.String)
	if c.data != nil && utf8.Valid(c.data) {
		text = cty.StringVal(string(c.data))
	}
	if mark.Has(c.value) {
		text = text.Mark(mark.Sensitive)
	}
	return map[string]cty.Value{
		"value": orNull(c.value), "previous": orNull(c.previous), "text": text,
		"meta": cty.ObjectVal(map[string]cty.Value{
			"address": cty.StringVal(n.addr.String()), "version": cty.StringVal(c.version),
			"size": cty.NumberIntVal(int64(len(c.data))),
		}),
	}
}

// ignored unites the ignore lists of a source's detectors.
func (o *observer) ignored(n *node) []decode.Path {
	var out []decode.Path
	for _, a := range n.detectors {
		ev, _ := o.evaluated(o.prog.nodes[a])
		if ev == nil || ev.detector == nil {
			continue
		}
		for _, text := range ev.detector.Ignore() {
			if path, err := decode.ParsePath(text); err == nil {
				out = append(out, path)
			}
		}
	}
	return out
}

// judgedBy identifies everything that decides whether a value is acceptable.
func (o *observer) judgedBy(n *node, ev *evaluated) string {
	h := sha256.New()
	s := ev.configured.Settings.(*providers.SourceSettings)
	fmt.Fprintf(h, "decode %q empty %t", s.Decode, s.AllowEmpty)
	for _, a := range n.detectors {
		if d, _ := o.evaluated(o.prog.nodes[a]); d != nil && d.detector != nil {
			fmt.Fprintf(h, " ignore %q", d.detector.Ignore())
		}
	}
	for _, a := range n.rules {
		fmt.Fprintf(h, " rule %s %s", a, o.ruleIdentity(o.prog.nodes[a]))
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

// ruleIdentity is over a rule's values, its conditions as written, and what those refer to.
func (o *observer) ruleIdentity(n *node) string {
	o.identityMutex.Lock()
	defer o.identityMutex.Unlock()
	if id, ok := o.identities[n.addr]; ok {
		return id
	}
	h := sha256.New()
	if ev, _ := o.evaluated(n); ev != nil {
		fmt.Fprintf(h, "%s", identity(ev.values))
		if f, ok := ev.rule.(interface{ ConfigFiles() []string }); ok {
			for _, path := range f.ConfigFiles() {
				fmt.Fprintf(h, " %s", o.fileIdentity(n, path))
			}
		}
	}
	n.block.Expressions(func(name string, _ *providers.Attribute, expr hcl.Expression) {
		fmt.Fprintf(h, " %s=%q", name, o.prog.sourceText(expr.Range()))
	})
	for _, r := range n.refs {
		if !r.Target.IsZero() {
			fmt.Fprintf(h, " %s=%s", r.Target, o.identity(o.prog.valueOf(r.Target, o.values)))
		} else if r.Root == "env" {
			fmt.Fprintf(h, " env.%s=%s", r.Name, identity(cty.StringVal(o.prog.environ[r.Name])))
		}
	}
	id := hex.EncodeToString(h.Sum(nil))
	o.identities[n.addr] = id
	return id
}

// partJSON is one file of a directory, as it is stored.
type partJSON struct {
	Name string `json:"name"`
	Data []byte `json:"data"`
}

func encodeParts(parts []providers.Part) []byte {
	out := make([]partJSON, len(parts))
	for i, p := range parts {
		out[i] = partJSON(p)
	}
	data, err := json.Marshal(out)
	if err != nil {
		panic("engine: a directory does not marshal: " + err.Error())
	}
	return data
}

// decodeSnapshot decodes stored or fetched bytes. An empty document is null.
func decodeSnapshot(s *state.Snapshot, data []byte) (cty.Value, error) {
	if s.Parts {
		return decodeParts(s.Format, data)
	}
	v, err := decode.Decode(decode.Format(s.Format), data, limitsFor(data))
	switch {
	case errors.Is(err, decode.ErrEmpty):
		return cty.NullVal(cty.DynamicPseudoType), nil
	case err != nil:
		return cty.NilVal, fmt.Errorf("decode as %s: %w", s.Format, err)
	}
	return v, nil
}

// limitsFor lets through what passed max_bytes; aliases may write a document out to the
// default size of sources all the same.
func limitsFor(data []byte) decode.Limits {
	return decode.Limits{MaxBytes: max(int64(len(data))+1, providers.DefaultMaxBytes)}
}

// decodeParts decodes a directory into a map of relative name to value.
func decodeParts(explicit string, data []byte) (cty.Value, error) {
	var parts []partJSON
	if err := json.Unmarshal(data, &parts); err != nil {
		return cty.NilVal, fmt.Errorf("read a stored directory: %w", err)
	}
	out := make(map[string]cty.Value, len(parts))
	var trouble []string
	for _, p := range parts {
		format, err := decode.Choose(explicit, p.Name, "")
		if err == nil {
			var v cty.Value
			if v, err = decode.Decode(format, p.Data, limitsFor(p.Data)); err == nil {
				out[p.Name] = v
				continue
			}
		}
		trouble = append(trouble, fmt.Sprintf("%s: %s", p.Name, err))
	}
	if len(trouble) > 0 {
		return cty.NilVal, fmt.Errorf("decode the directory: %s", strings.Join(trouble, "; "))
	}
	return cty.ObjectVal(out), nil
}

// identity is that of the package with sensitive values in it: keyed, so that it tells nothing.
func (o *observer) identity(v cty.Value) string {
	plain, paths := mark.Reveal(v)
	if len(paths) == 0 {
		return identity(plain)
	}
	return o.reader.Keyed(identity(plain))
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
