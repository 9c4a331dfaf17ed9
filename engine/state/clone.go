package state

import "encoding/json"

// clone copies a row through its JSON, which is what the store would do to it anyway.
func clone[T any](v *T) *T {
	if v == nil {
		return nil
	}
	data, err := json.Marshal(v)
	if err != nil {
		panic("state: a row does not marshal: " + err.Error())
	}
	out := new(T)
	if err := json.Unmarshal(data, out); err != nil {
		panic("state: a row does not unmarshal: " + err.Error())
	}
	return out
}
