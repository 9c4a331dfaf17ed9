package web

import (
	"context"
	"crypto/sha256"
	"errors"
	"math"
	"mime"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"tidegate/engine"
)

// chargeStep is how many bytes of a body cost a client one more request.
const chargeStep = 16 << 10

// config answers POST /webhook/config.
func (s *Server) config(r *http.Request) *answer {
	if r.Method != http.MethodPost {
		return noPost
	}
	if !isJSON(single(r.Header, "Content-Type")) {
		return noJSON
	}
	return s.received(r, func(d *doors, v *visitor, now time.Time, hurry bool) (*answer, bool) {
		m, wrong := scanMessage(v.body)
		var one *door
		if wrong == nil {
			if one = d.sources[string(m.name)]; one == nil {
				one = d.wildcard
			}
		}
		is := d.admit(one, v, hurry)
		switch {
		case !is.known:
			return unauthorized, false
		case wrong != nil:
			return malformed(wrong), !d.open
		case one == nil && !deliverable(string(m.name)), one != nil && one.wildcard && !deliverable(string(m.name)):
			return badName, !d.open
		case one == nil:
			return noName, !d.open
		}
		return s.push(r, is, m, v.body), !one.open
	})
}

// notify answers POST /webhook/notify/NAME. The body counts for its signature alone.
func (s *Server) notify(r *http.Request, name string) *answer {
	if r.Method != http.MethodPost {
		return noPost
	}
	return s.received(r, func(d *doors, v *visitor, _ time.Time, hurry bool) (*answer, bool) {
		one := d.detectors[name]
		is := d.admit(one, v, hurry)
		switch {
		case !is.known:
			return unauthorized, false
		case one == nil:
			return noDetector, !d.open
		}
		s.daemon.Notify(one.receiver.Address)
		return okNotified, !one.open
	})
}

// received reads a body and has it judged. Requests cost their client, large bodies more;
// what proves to be authenticated costs nothing. A client that has used up its share is
// heard on if it shows credentials for a small body, since a sender that shares its address
// with a flood could not deliver otherwise, but its mistakes are answered with 429.
func (s *Server) received(r *http.Request, judge func(*doors, *visitor, time.Time, bool) (a *answer, authenticated bool)) *answer {
	if e := r.Header["Content-Encoding"]; len(e) > 1 || len(e) == 1 && !strings.EqualFold(e[0], "identity") {
		return coded
	}
	if r.ContentLength > MaxBody {
		return large
	}
	now := time.Now()
	who := s.client(r)
	charge := 1 + int(max(0, r.ContentLength)/chargeStep)
	hurry := !s.clients.take(who, charge, now)
	v := &visitor{credentials: readCredentials(r.Header, now)}
	if hurry && (v.none() || r.ContentLength < 0 || r.ContentLength > smallBody) {
		return s.limited(who, now)
	}
	body, problem := s.bodies.read(r)
	if problem != nil {
		return problem
	}
	defer s.bodies.put(body)
	v.body = body.b
	if more := int(len(v.body) / chargeStep); !hurry && r.ContentLength < 0 && more > 0 {
		s.clients.take(who, more, now)
		charge += more
	}
	if c := connOf(r); c != nil {
		c.work()
		defer c.rest()
		_ = c.SetReadDeadline(time.Time{}) // it was for the body, and would end the context of Push
	}
	a, authenticated := judge(s.keeper.doors(s.daemon.Receivers()), v, now, hurry)
	switch {
	case !authenticated && hurry:
		return s.limited(who, now)
	case authenticated && !hurry:
		s.clients.give(who, charge, now)
	}
	return a
}

func (s *Server) limited(who netip.Addr, now time.Time) *answer {
	return tooFast.after(s.clients.wait(who, now))
}

// push hands a value to the daemon and answers with what became of it.
func (s *Server) push(r *http.Request, is verdict, m message, body []byte) *answer {
	select {
	case s.pushes <- struct{}{}:
		defer func() { <-s.pushes }()
	default:
		return noRoom
	}
	ctx, cancel := context.WithTimeout(r.Context(), s.opts.PushTimeout)
	defer cancel()
	name := is.door.receiver.Name
	if is.door.wildcard {
		name = string(m.name)
	}
	result := s.daemon.Push(ctx, engine.Pushed{
		Receiver: is.door.receiver, Name: name, Data: append([]byte(nil), m.data...),
		Delivery: is.delivery, Digest: sha256.Sum256(body),
	})
	return pushed(result)
}

func pushed(r engine.PushResult) *answer {
	switch r.Outcome {
	case engine.PushAccepted:
		return okAccepted
	case engine.PushUnchanged:
		return okUnchanged
	case engine.PushConflict:
		return conflict
	case engine.PushRejected:
		return &answer{code: http.StatusUnprocessableEntity, body: jsonLine(problem{
			Error: "the value was rejected and the accepted one stays in use", Help: "Correct config_data.", Findings: r.Findings,
		})}
	case engine.PushGone:
		return noName
	case engine.PushBusy:
		what := r.Reason
		if what == "" {
			what = noRoomText
		}
		return refuse(http.StatusServiceUnavailable, what, "Send it again after the seconds that Retry-After says.").
			after(int(math.Ceil(min(r.After, time.Hour).Seconds())))
	}
	return broken
}

const noRoomText = "too much is under way"

func malformed(err error) *answer {
	var where *scanError
	text := "not valid"
	if errors.As(err, &where) {
		text = where.Error()
	}
	return refuse(http.StatusBadRequest, "malformed body: "+text,
		`Send one JSON object {"config_name": NAME, "config_data": VALUE} with these two fields, each once.`)
}

// isJSON reports whether a Content-Type is JSON's.
func isJSON(value string) bool {
	if value == "application/json" {
		return true
	}
	media, params, err := mime.ParseMediaType(value)
	if err != nil {
		return false
	}
	if c := params["charset"]; c != "" && !strings.EqualFold(c, "utf-8") {
		return false
	}
	return media == "application/json" || strings.HasPrefix(media, "application/") && strings.HasSuffix(media, "+json")
}
