package web

import (
	"bufio"
	"compress/gzip"
	"io"
	"maps"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"tidegate/engine"
)

// statusAge is how old the status may be that metrics are made of.
const statusAge = time.Second

// metrics are the page for Prometheus. Labels are bounded: addresses that are declared,
// states, status codes, and positions in a list of secrets.
//
// What there is one of stands in a registry. What there is one of for each source and sink
// is written family by family straight from the daemon's status: as collected metrics,
// 100,000 items would take a gigabyte.
type metrics struct {
	server   *Server
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	codes    map[int]prometheus.Counter
	seconds  prometheus.Histogram
}

func newMetrics(s *Server) *metrics {
	m := &metrics{
		server: s, registry: prometheus.NewRegistry(), codes: map[int]prometheus.Counter{},
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tidegate_webhook_requests_total", Help: "Webhook requests answered, by status code.",
		}, []string{"code"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "tidegate_webhook_seconds", Help: "How long webhook requests took, from their header to their answer.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10},
		}),
	}
	for _, code := range []int{200, 400, 401, 404, 405, 408, 409, 413, 415, 422, 429, 500, 503} {
		m.codes[code] = m.requests.WithLabelValues(strconv.Itoa(code))
	}
	build := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "tidegate_build_info", Help: "Always 1; the labels say what runs.",
		ConstLabels: prometheus.Labels{"version": s.opts.Version, "goversion": runtime.Version()},
	}, func() float64 { return 1 })
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
	}
	m.registry.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		m.requests, m.seconds, build, connCollector{s},
		gauge("tidegate_listener_streams", "Readers of /api/v1/events.", func() float64 { return float64(len(s.streams)) }),
		gauge("tidegate_listener_body_bytes", "Memory of large bodies that are being read or taken in.", func() float64 { return float64(s.bodies.used.Load()) }),
	)
	if s.cert != nil {
		m.registry.MustRegister(gauge("tidegate_listener_certificate_expiry_seconds", "Seconds until the listener's certificate ends.",
			func() float64 { return time.Until(s.cert.leaf().NotAfter).Seconds() }))
	}
	return m
}

func (m *metrics) webhook(code int, took time.Duration) {
	if c := m.codes[code]; c != nil {
		c.Inc()
	} else {
		m.requests.WithLabelValues(strconv.Itoa(code)).Inc()
	}
	m.seconds.Observe(took.Seconds())
}

// connCollector tells of the connections of a server that serves.
type connCollector struct{ s *Server }

var (
	connsOpen    = prometheus.NewDesc("tidegate_listener_connections", "Open connections.", nil, nil)
	connsTotal   = prometheus.NewDesc("tidegate_listener_connections_total", "Connections accepted.", nil, nil)
	connsEvicted = prometheus.NewDesc("tidegate_listener_connections_evicted_total", "Connections closed to make room, as they waited longest for their client.", nil, nil)
	connsRefused = prometheus.NewDesc("tidegate_listener_connections_refused_total", "Connections closed at once, as all others were busy.", nil, nil)
	secretUses   = prometheus.NewDesc("tidegate_webhook_secret_uses_total", "Requests authenticated with each secret, by its position in the list.", []string{"address", "secret"}, nil)
)

func (c connCollector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{connsOpen, connsTotal, connsEvicted, connsRefused, secretUses} {
		out <- d
	}
}

func (c connCollector) Collect(out chan<- prometheus.Metric) {
	if l := c.s.conns.Load(); l != nil {
		l.mutex.Lock()
		open, total, evicted, refused := l.open, l.accepted, l.evicted, l.refused
		l.mutex.Unlock()
		out <- prometheus.MustNewConstMetric(connsOpen, prometheus.GaugeValue, float64(open))
		out <- prometheus.MustNewConstMetric(connsTotal, prometheus.CounterValue, float64(total))
		out <- prometheus.MustNewConstMetric(connsEvicted, prometheus.CounterValue, float64(evicted))
		out <- prometheus.MustNewConstMetric(connsRefused, prometheus.CounterValue, float64(refused))
	}
	// One address can be behind several names, with the same secrets.
	type key struct{ address, secret string }
	uses := map[key]int64{}
	for _, d := range c.s.keeper.doors(c.s.daemon.Receivers()).all {
		for i, s := range d.secrets {
			uses[key{d.receiver.Address.String(), strconv.Itoa(i + 1)}] = s.used.Load()
		}
	}
	for k, n := range uses {
		out <- prometheus.MustNewConstMetric(secretUses, prometheus.CounterValue, float64(n), k.address, k.secret)
	}
}

// page answers GET /metrics.
func (m *metrics) page(w http.ResponseWriter, r *http.Request) *answer {
	release, ok := m.server.readTurn()
	if !ok {
		return noRoom
	}
	defer release()
	families, err := m.registry.Gather()
	if err != nil {
		m.server.log.Warn("some metrics could not be gathered", "error", err)
	}
	st, err := m.server.status.get(r.Context(), statusAge)
	if err != nil {
		m.server.log.Warn("metrics are without the daemon's status", "error", err)
	}
	w.Header()["Content-Type"] = []string{string(expfmt.NewFormat(expfmt.TypeTextPlain))}
	if r.Method == http.MethodHead {
		return nil
	}
	var to io.Writer = w
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		w.Header().Set("Content-Encoding", "gzip")
		z, _ := gzip.NewWriterLevel(w, gzip.BestSpeed)
		defer z.Close()
		to = z
	}
	buf := bufio.NewWriterSize(to, 64<<10)
	defer buf.Flush()
	t := &familyWriter{w: buf}
	for _, f := range families {
		t.family(f)
	}
	writeStatus(t, st)
	return nil
}

// familyWriter writes families of metrics until the first error.
type familyWriter struct {
	w   io.Writer
	err error
}

func (t *familyWriter) family(f *dto.MetricFamily) {
	if t.err == nil && len(f.Metric) > 0 {
		_, t.err = expfmt.MetricFamilyToText(t.w, f)
	}
}

// one writes a metric that there is one of.
func (t *familyWriter) one(name, help string, counter bool, value float64) {
	t.each(name, help, counter, newItems(nil, "", 1), func(int) (float64, bool) { return value, true })
}

// items are the metrics of a list of label values. They serve one family after another.
type items struct {
	all      []dto.Metric
	family   []*dto.Metric
	counters []dto.Counter
	gauges   []dto.Gauge
	values   []float64
}

func newItems(values []string, label string, n int) *items {
	l := &items{make([]dto.Metric, n), make([]*dto.Metric, 0, n), make([]dto.Counter, n), make([]dto.Gauge, n), make([]float64, n)}
	pairs, places := make([]dto.LabelPair, len(values)), make([]*dto.LabelPair, len(values))
	for i := range values {
		pairs[i].Name, pairs[i].Value = &label, &values[i]
		places[i] = &pairs[i]
		l.all[i].Label = places[i : i+1]
	}
	for i := range n {
		l.counters[i].Value, l.gauges[i].Value = &l.values[i], &l.values[i]
	}
	return l
}

// each writes one family; items of which value says no are left out.
func (t *familyWriter) each(name, help string, counter bool, l *items, value func(i int) (float64, bool)) {
	typ := dto.MetricType_GAUGE
	if counter {
		typ = dto.MetricType_COUNTER
	}
	l.family = l.family[:0]
	for i := range l.all {
		v, ok := value(i)
		if !ok {
			continue
		}
		m := &l.all[i]
		l.values[i], m.Counter, m.Gauge = v, nil, nil
		if counter {
			m.Counter = &l.counters[i]
		} else {
			m.Gauge = &l.gauges[i]
		}
		l.family = append(l.family, m)
	}
	t.family(&dto.MetricFamily{Name: &name, Help: &help, Type: &typ, Metric: l.family})
}

func yes(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// writeStatus writes what the daemon says of itself; nil if it does not answer.
func writeStatus(t *familyWriter, st *engine.Status) {
	t.one("tidegate_up", "Whether the daemon answered; without it what follows is missing.", false, yes(st != nil))
	if st == nil {
		return
	}
	t.one("tidegate_ready", "Whether every source was tried once.", false, yes(st.Ready))
	t.one("tidegate_state_writable", "Whether the ledger can be written.", false, yes(st.StateError == ""))
	t.one("tidegate_start_timestamp_seconds", "When the daemon started.", false, seconds(st.Started))
	t.one("tidegate_queue_depth", "Looks and deliveries that wait for a worker.", false, float64(st.Queue))
	t.one("tidegate_pauses", "Pauses in force.", false, float64(len(st.Pauses)))
	t.one("tidegate_approvals_pending", "Deletions that wait for approval.", false, float64(len(st.Approvals)))
	t.one("tidegate_reload_success", "Whether the newest attempt to load the configuration succeeded.", false, yes(st.Reload.Success))
	t.one("tidegate_reload_timestamp_seconds", "When the configuration was loaded or tried last.", false, seconds(st.Reload.Time))
	t.one("tidegate_reloads_total", "Attempts to load the configuration.", true, float64(st.Reload.Count))
	t.one("tidegate_reload_failures_total", "Attempts to load the configuration that failed.", true, float64(st.Reload.Failed))
	writeSources(t, st)
	writeSinks(t, st)
	writeChecks(t, st)
}

func writeChecks(t *familyWriter, st *engine.Status) {
	names := make([]string, len(st.Checks))
	for i, c := range st.Checks {
		names[i] = c.Address.String()
	}
	t.each("tidegate_check_failed", "Whether a check block does not hold.", false, newItems(names, "address", len(names)),
		func(i int) (float64, bool) { s := st.Checks[i].Status; return yes(s == "fail" || s == "error"), true })
}

func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

func writeSources(t *familyWriter, st *engine.Status) {
	names := make([]string, len(st.Sources))
	states := map[string]int{}
	for i, s := range st.Sources {
		names[i] = s.Address.String()
		states[s.State]++
	}
	byState(t, "tidegate_sources", "Sources, by their state.", states)
	list := newItems(names, "address", len(names))
	count := func(name, help string, of func(*engine.SourceStatus) int64) {
		t.each(name, help, true, list, func(i int) (float64, bool) { return float64(of(st.Sources[i])), true })
	}
	count("tidegate_source_looks_total", "Looks at a source.", func(s *engine.SourceStatus) int64 { return s.Looks })
	count("tidegate_source_changes_total", "Values accepted.", func(s *engine.SourceStatus) int64 { return s.Changes })
	count("tidegate_source_rejections_total", "Candidates rejected by a rule, or for being empty.", func(s *engine.SourceStatus) int64 { return s.Rejections })
	count("tidegate_source_failures_total", "Looks that failed.", func(s *engine.SourceStatus) int64 { return s.Errors })
	t.each("tidegate_source_staleness_seconds", "Seconds since a look or push was answered, or since the start where none was.", false, list,
		func(i int) (float64, bool) {
			since := st.Sources[i].LastSuccess
			if since.IsZero() {
				since = st.Started
			}
			return max(0, st.Time.Sub(since).Seconds()), true
		})
	t.each("tidegate_source_degraded", "Whether a source failed as often as its failure_threshold says.", false, list,
		func(i int) (float64, bool) { return yes(st.Sources[i].State == engine.StateDegraded), true })
	t.each("tidegate_source_certificate_expiry_seconds", "Seconds until the certificate of the source's server ends.", false, list,
		func(i int) (float64, bool) {
			ends := st.Sources[i].CertificateEnds
			return ends.Sub(st.Time).Seconds(), !ends.IsZero()
		})
	t.each("tidegate_source_push_lost", "Whether a value that was sent to a source is lost and has to be sent again.", false, list,
		func(i int) (float64, bool) { return 1, st.Sources[i].LostPush != "" })
}

func writeSinks(t *familyWriter, st *engine.Status) {
	names := make([]string, len(st.Sinks))
	states := map[string]int{}
	for i, s := range st.Sinks {
		names[i] = s.Address.String()
		states[s.State]++
	}
	byState(t, "tidegate_sinks", "Sinks, by their state.", states)
	list := newItems(names, "address", len(names))
	count := func(name, help string, of func(*engine.SinkStatus) int64) {
		t.each(name, help, true, list, func(i int) (float64, bool) { return float64(of(st.Sinks[i])), true })
	}
	count("tidegate_sink_deliveries_total", "Deliveries acknowledged.", func(s *engine.SinkStatus) int64 { return s.Deliveries })
	count("tidegate_sink_delivery_failures_total", "Deliveries that failed.", func(s *engine.SinkStatus) int64 { return s.Errors })
	count("tidegate_sink_repairs_total", "Deliveries that mended drift.", func(s *engine.SinkStatus) int64 { return s.Repairs })
	count("tidegate_limit_deferrals_total", "Deliveries that had to wait for a rate limit.", func(s *engine.SinkStatus) int64 { return s.Deferrals })
	t.each("tidegate_sink_pending", "Whether something waits to be delivered.", false, list,
		func(i int) (float64, bool) { return yes(pending(st.Sinks[i].State)), true })
}

func byState(t *familyWriter, name, help string, states map[string]int) {
	names := slices.Sorted(maps.Keys(states))
	t.each(name, help, false, newItems(names, "state", len(names)), func(i int) (float64, bool) { return float64(states[names[i]]), true })
}

// pending reports whether a sink in the state has something that it must still get.
func pending(state string) bool {
	switch state {
	case engine.StateDelivering, engine.StateSettling, engine.StateDeferred, engine.StateBlocked, engine.StateFailed:
		return true
	}
	return false
}
