package web

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"sync"
	"sync/atomic"

	"tidegate/engine"
	"tidegate/hclspec/address"
)

// Who may know which names exist
//
// The name of a push stands in its body, so it is read before its sender is known. What is
// answered must not tell a stranger whether it exists. Hence:
//
//   - A name that is declared is authenticated against its own receiver.
//   - A name that is not, and a body in which no name can be found, are authenticated against
//     all receivers: 404 and 400 are for those whom at least one receiver knows, or for
//     everybody where no receiver asks for anything.
//   - Everybody else gets the same 401 after the same number of HMACs over the body.
//
// Trying all receivers is bounded by maxProbes. With more secrets than that a name that is
// not declared is answered 401 to everybody.

// maxProbes is how many HMACs are computed for a name that is not declared.
const maxProbes = 16

// minDecoded is the shortest key that is taken for base64 without its prefix saying so.
const minDecoded = 16

// door is what one receiver asks for. It is made once for each set of receivers.
type door struct {
	receiver *engine.Receiver
	open     bool // to everybody
	secrets  []*secret
	token    sum
	hasToken bool
	wildcard bool
}

// secret is one shared secret and how often it opened the door.
type secret struct {
	text     string
	standard []*mac // for Standard Webhooks
	hub      *mac   // for X-Hub-Signature-256
	used     *atomic.Int64
}

// cost is the most HMACs that a visitor can take here.
func (d *door) cost() (n int) {
	for _, s := range d.secrets {
		n += len(s.standard) + 1
	}
	return n
}

// doors are all receivers, ready for use.
type doors struct {
	from      *engine.Receivers
	sources   map[string]*door
	wildcard  *door
	detectors map[string]*door
	all       []*door
	open      bool    // no receiver asks for anything
	probes    []*door // different ones, for names that are not declared; nil if too many
	cost      int     // HMACs that a refusal takes
	single    int     // the same in a hurry: those of the dearest door
	pad       *mac
}

// doorkeeper keeps the doors of the newest receivers.
type doorkeeper struct {
	strict bool // receivers that ask for nothing are shut
	mutex  sync.Mutex
	now    atomic.Pointer[doors]
}

// doors returns what the receivers ask for. Counts of secrets that stay go on.
func (k *doorkeeper) doors(r *engine.Receivers) *doors {
	if d := k.now.Load(); d != nil && d.from == r {
		return d
	}
	k.mutex.Lock()
	defer k.mutex.Unlock()
	old := k.now.Load()
	if old != nil && old.from == r {
		return old
	}
	d := makeDoors(r, k.strict, old)
	k.now.Store(d)
	return d
}

type secretKey struct {
	address address.Address
	text    string
}

func makeDoors(r *engine.Receivers, strict bool, old *doors) *doors {
	d := &doors{from: r, sources: map[string]*door{}, detectors: map[string]*door{}, open: true, pad: newMAC([]byte("nobody's"))}
	if r == nil {
		return d
	}
	counts := map[secretKey]*atomic.Int64{}
	if old != nil {
		for _, was := range old.all {
			for _, s := range was.secrets {
				counts[secretKey{was.receiver.Address, s.text}] = s.used
			}
		}
	}
	add := func(r *engine.Receiver) *door {
		one := makeDoor(r, strict, counts)
		d.all = append(d.all, one)
		d.open = d.open && one.open
		d.single = max(d.single, one.cost())
		return one
	}
	for name, r := range r.Sources {
		d.sources[name] = add(r)
	}
	for name, r := range r.Detectors {
		d.detectors[name] = add(r)
	}
	if r.Wildcard != nil {
		d.wildcard = add(r.Wildcard)
		d.wildcard.wildcard = true
	}
	d.chooseProbes()
	return d
}

func (d *doors) chooseProbes() {
	d.cost = d.single
	seen := map[string]bool{}
	cost := 0
	for _, one := range d.all {
		key := strings.Join(append([]string{one.receiver.Token}, one.receiver.Secrets...), "\x00")
		if one.open || seen[key] {
			continue
		}
		seen[key] = true
		cost += one.cost()
		if cost > maxProbes || len(seen) > maxProbes {
			d.probes = nil
			return
		}
		d.probes = append(d.probes, one)
	}
	d.cost = max(d.cost, cost)
}

func makeDoor(r *engine.Receiver, strict bool, counts map[secretKey]*atomic.Int64) *door {
	d := &door{receiver: r, open: r.Open() && !strict}
	if r.Token != "" {
		d.token, d.hasToken = sha256.Sum256([]byte(r.Token)), true
	}
	for _, text := range r.Secrets {
		if s := makeSecret(text); s != nil {
			k := secretKey{r.Address, text}
			if counts[k] == nil {
				counts[k] = new(atomic.Int64)
			}
			s.used = counts[k]
			d.secrets = append(d.secrets, s)
		}
	}
	return d
}

// makeSecret returns the keys of a secret, nil if it has none: anybody can sign with an
// empty key, so an empty secret opens nothing. Standard Webhooks writes keys in base64 with
// the prefix whsec_; without the prefix a secret is its own bytes or, as its libraries have
// it, base64. X-Hub-Signature-256 takes the text as it stands.
func makeSecret(text string) *secret {
	if text == "" {
		return nil
	}
	s := &secret{text: text, hub: newMAC([]byte(text))}
	encoded, prefixed := strings.CutPrefix(text, "whsec_")
	key, err := base64.StdEncoding.DecodeString(encoded)
	switch {
	case prefixed && (err != nil || len(key) == 0):
		return nil
	case prefixed:
		s.standard = []*mac{newMAC(key)}
	case err == nil && len(key) >= minDecoded:
		s.standard = []*mac{newMAC([]byte(text)), newMAC(key)}
	default:
		s.standard = []*mac{newMAC([]byte(text))}
	}
	return s
}

// visitor is one request at the doors: it counts the work that was done for it.
type visitor struct {
	credentials
	body []byte
	macs int
	with *secret // that opened the last door, nil if it was none
}

// enters reports whether the door opens, and by which id the sender knows the request.
func (v *visitor) enters(d *door) (delivery string, ok bool) {
	for _, s := range d.secrets {
		if delivery, ok = v.knows(s); ok {
			v.with = s
			return delivery, true
		}
	}
	if d.open || d.hasToken && v.hasBearer && equal(&d.token, &v.bearer) {
		if v.id != "" {
			return v.id, true
		}
		return v.hubID, true
	}
	return "", false
}

func (v *visitor) knows(s *secret) (delivery string, ok bool) {
	if v.count > 0 {
		for _, m := range s.standard {
			v.macs++
			code := m.sign(&v.credentials, true, v.body)
			for i := range v.count {
				ok = equal(&code, &v.signatures[i]) || ok
			}
			if ok {
				return v.id, true
			}
		}
	}
	if v.hasHub {
		v.macs++
		code := s.hub.sign(&v.credentials, false, v.body)
		return v.hubID, equal(&code, &v.hub)
	}
	return "", false
}

// tire does the work that is missing until every refusal has taken the same.
func (v *visitor) tire(d *doors, macs int) {
	for ; v.macs < macs; v.macs++ {
		d.pad.sign(&v.credentials, false, v.body)
	}
}

// verdict is what becomes of a request at the doors.
type verdict struct {
	door     *door  // nil if the name is not declared
	delivery string // id of the request
	known    bool   // the sender may know what there is
}

// admit authenticates a request to the door of its name, nil if it has none. In a hurry,
// which is when its sender is over its limit, names that are not declared are not tried.
func (d *doors) admit(one *door, v *visitor, hurry bool) verdict {
	work := d.cost
	if hurry {
		work = d.single
	}
	switch {
	case one != nil:
		if delivery, ok := v.enters(one); ok {
			if v.with != nil {
				v.with.used.Add(1)
			}
			return verdict{one, delivery, true}
		}
	case d.open:
		return verdict{known: true}
	case !hurry && !v.none():
		for _, probe := range d.probes {
			if _, ok := v.enters(probe); ok {
				return verdict{known: true}
			}
		}
	}
	v.tire(d, work)
	return verdict{}
}

// deliverable reports whether a name may be taken in by the wildcard: a name that could be
// a file's, on any system, and no way to another.
func deliverable(name string) bool {
	if name == "" || len(name) > 253 || name[0] == '.' || name[0] == '-' || strings.HasSuffix(name, ".") {
		return false
	}
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_', c == '-', c == '.':
		default:
			return false
		}
	}
	base, _, _ := strings.Cut(strings.ToUpper(name), ".")
	switch base {
	case "CON", "PRN", "AUX", "NUL":
		return false
	}
	if len(base) == 4 && (base[:3] == "COM" || base[:3] == "LPT") && '1' <= base[3] && base[3] <= '9' {
		return false
	}
	return true
}
