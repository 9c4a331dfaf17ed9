package web

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/hashicorp/hcl/v2"

	"tidegate/engine"
)

// maxSavedPlan is the largest saved plan that is taken in, as the command reads it.
const maxSavedPlan = 1 << 30

// applyAlive is how often a line says that the daemon still works on a plan of which nothing
// happens.
const applyAlive = 15 * time.Second

// applyLine is one line of the answer to an apply: an event, an empty object as a sign of life, or
// last the end.
type applyLine struct {
	Phase    *engine.PhaseStarted     `json:"phase_started,omitempty"`
	Accepted *engine.Accepted         `json:"accepted,omitempty"`
	Started  *engine.DeliveryStarted  `json:"delivery_started,omitempty"`
	Retried  *engine.DeliveryRetried  `json:"delivery_retried,omitempty"`
	Finished *engine.DeliveryFinished `json:"delivery_finished,omitempty"`
	Skipped  *engine.DeliverySkipped  `json:"delivery_skipped,omitempty"`
	Closed   *engine.ApplyFinished    `json:"apply_finished,omitempty"`
	End      *applyEnd                `json:"end,omitempty"`
}

// applyEnd is what became of a plan: one of its fields, or a result.
type applyEnd struct {
	Result   engine.Result       `json:"result"`
	Problems []applyProblem      `json:"problems,omitempty"`
	Refused  *engine.PlanRefusal `json:"refused,omitempty"`
	Error    string              `json:"error,omitempty"`
}

type applyProblem struct {
	Warning bool   `json:"warning,omitempty"`
	Summary string `json:"summary"`
	Detail  string `json:"detail"`
}

func lineOf(ev engine.Event) (line applyLine, known bool) {
	switch ev := ev.(type) {
	case engine.PhaseStarted:
		line.Phase = &ev
	case engine.Accepted:
		line.Accepted = &ev
	case engine.DeliveryStarted:
		line.Started = &ev
	case engine.DeliveryRetried:
		line.Retried = &ev
	case engine.DeliveryFinished:
		line.Finished = &ev
	case engine.DeliverySkipped:
		line.Skipped = &ev
	case engine.ApplyFinished:
		line.Closed = &ev
	}
	return line, line != applyLine{}
}

// event returns the event of a line, nil where it holds none.
func (l applyLine) event() engine.Event {
	switch {
	case l.Phase != nil:
		return *l.Phase
	case l.Accepted != nil:
		return *l.Accepted
	case l.Started != nil:
		return *l.Started
	case l.Retried != nil:
		return *l.Retried
	case l.Finished != nil:
		return *l.Finished
	case l.Skipped != nil:
		return *l.Skipped
	case l.Closed != nil:
		return *l.Closed
	}
	return nil
}

// applyLines gathers lines for somebody who may read slowly: who adds one never waits.
type applyLines struct {
	mutex sync.Mutex
	lines bytes.Buffer
	more  chan struct{} // of capacity 1
}

func (a *applyLines) add(line applyLine) {
	a.mutex.Lock()
	a.lines.Write(jsonLine(line))
	a.mutex.Unlock()
	select {
	case a.more <- struct{}{}:
	default:
	}
}

func (a *applyLines) take() []byte {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	out := bytes.Clone(a.lines.Bytes())
	a.lines.Reset()
	return out
}

// controlApply hands a saved plan to the daemon and writes down what becomes of it as it happens.
func controlApply(w http.ResponseWriter, r *http.Request, d Daemon) {
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Time{}) // a large plan, and deliveries that take their time
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxSavedPlan))
	if err != nil {
		refuse(http.StatusBadRequest, fmt.Sprintf("read the plan: %s", err), "").write(w)
		return
	}
	lines := &applyLines{more: make(chan struct{}, 1)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		lines.add(applyLine{End: applySaved(r.Context(), d, data, lines)})
	}()
	w.Header().Set("Content-Type", "application/x-ndjson")
	alive := time.NewTicker(applyAlive)
	defer alive.Stop()
	for last := false; !last; {
		select {
		case <-lines.more:
		case <-alive.C:
			lines.add(applyLine{})
		case <-ended:
			last = true
		}
		_, _ = w.Write(lines.take()) // who hung up is noticed by the context
		_ = control.Flush()
	}
}

func applySaved(ctx context.Context, d Daemon, data []byte, lines *applyLines) (end *applyEnd) {
	defer func() {
		if v := recover(); v != nil {
			end = &applyEnd{Error: fmt.Sprintf("internal error: a panic of type %T; nothing of the plan was begun by it", v)}
		}
	}()
	result, diags, err := d.ApplySaved(ctx, data, func(ev engine.Event) {
		if line, ok := lineOf(ev); ok {
			lines.add(line)
		}
	})
	end = &applyEnd{Result: result}
	for _, diag := range diags {
		end.Problems = append(end.Problems, applyProblem{diag.Severity != hcl.DiagError, diag.Summary, diag.Detail})
	}
	if err != nil && !errors.As(err, &end.Refused) {
		end.Error = err.Error()
	}
	return end
}

// ApplySaved has a saved plan carried out, given as it was written, and hears of what happens. A
// refusal is an *engine.PlanRefusal.
func (c *Client) ApplySaved(ctx context.Context, data []byte, events func(engine.Event)) (engine.Result, hcl.Diagnostics, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://tidegate/v1/apply", bytes.NewReader(data))
	if err != nil {
		return engine.Result{}, nil, err
	}
	req.Header.Set("Content-Type", "application/octet-stream")
	resp, err := c.http.Do(req)
	if err != nil {
		return engine.Result{}, nil, c.explain(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		data, _ := io.ReadAll(io.LimitReader(resp.Body, maxControl))
		return engine.Result{}, nil, refusal(resp.StatusCode, data)
	}
	lines := json.NewDecoder(bufio.NewReader(resp.Body))
	for {
		var line applyLine
		switch err := lines.Decode(&line); {
		case ctx.Err() != nil:
			return engine.Result{}, nil, errors.Join(ctx.Err(), errUnknownEnd)
		case err != nil:
			return engine.Result{}, nil, fmt.Errorf("the daemon at %s hung up in the middle of the plan: %w", c.path, errUnknownEnd)
		}
		if ev := line.event(); ev != nil {
			events(ev)
		}
		if line.End != nil {
			return line.End.answer()
		}
	}
}

// errUnknownEnd says what is to be done where nobody says what became of a plan.
var errUnknownEnd = errors.New("what was begun goes on, now or when a daemon is started again; \"tidegate history\" and \"tidegate status\" tell how far it came")

func (e *applyEnd) answer() (engine.Result, hcl.Diagnostics, error) {
	var diags hcl.Diagnostics
	for _, p := range e.Problems {
		severity := hcl.DiagError
		if p.Warning {
			severity = hcl.DiagWarning
		}
		diags = append(diags, &hcl.Diagnostic{Severity: severity, Summary: p.Summary, Detail: p.Detail})
	}
	switch {
	case e.Refused != nil:
		return e.Result, diags, e.Refused
	case e.Error != "":
		return e.Result, diags, errors.New(e.Error)
	}
	return e.Result, diags, nil
}
