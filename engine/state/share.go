package state

// A ledger names the same hash in several places: the version of a file is the hash of its
// bytes, a sink's newest revision repeats its acknowledged delivery. JSON makes a text of
// each, so a row's equal texts are made one after it was read.

// sharer makes equal texts of one row share their bytes. Rows have few texts, so a search
// beats a map.
type sharer []string

func (s *sharer) text(t *string) {
	if *t == "" {
		return
	}
	for _, known := range *s {
		if known == *t {
			*t = known
			return
		}
	}
	*s = append(*s, *t)
}

// share lets the equal texts of the row share their bytes.
func (s *Source) share() {
	var texts sharer
	for i := range s.Snapshots {
		p := &s.Snapshots[i]
		for _, t := range []*string{&p.Blob, &p.Key, &p.Version, &p.Format, &p.Location, &p.ContentType} {
			texts.text(t)
		}
	}
	for i := range s.Rejected {
		texts.text(&s.Rejected[i].Hash)
		texts.text(&s.Rejected[i].Version)
	}
	texts.text(&s.Polled)
	if s.Flap != nil {
		texts.text(&s.Flap.Key)
	}
}

// share does nothing: the texts of the row are all different.
func (o *Output) share() {}

// share lets the equal texts of the row share their bytes.
func (s *Sink) share() {
	var texts sharer
	for _, d := range []*Delivery{s.Acknowledged, s.Pending} {
		if d == nil {
			continue
		}
		for _, t := range []*string{&d.ID, &d.Fingerprint, &d.Hash, &d.Payload} {
			texts.text(t)
		}
		for i := range d.Causes {
			texts.text(&d.Causes[i].Version)
			texts.text(&d.Causes[i].Blob)
		}
	}
	for i := range s.Revisions {
		r := &s.Revisions[i]
		for _, t := range []*string{&r.Delivery, &r.Cause, &r.Hash, &r.Payload, &r.Fingerprint} {
			texts.text(t)
		}
		for i := range r.Causes {
			texts.text(&r.Causes[i].Version)
		}
	}
}
