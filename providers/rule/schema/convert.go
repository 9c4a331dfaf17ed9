package schema

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"

	"github.com/zclconf/go-cty/cty"
)

// toJSON returns a plain value as encoding/json would decode it, but numbers keep every digit.
func toJSON(v cty.Value) (any, error) {
	if v == cty.NilVal {
		return nil, nil
	}
	if !v.IsKnown() {
		return nil, errors.New("the candidate is not wholly known")
	}
	if v.IsNull() {
		return nil, nil
	}
	ty := v.Type()
	switch {
	case ty == cty.String:
		return v.AsString(), nil
	case ty == cty.Bool:
		return v.True(), nil
	case ty == cty.Number:
		return toNumber(v.AsBigFloat())
	case ty.IsObjectType() || ty.IsMapType():
		return toObject(v)
	case ty.IsTupleType() || ty.IsListType() || ty.IsSetType():
		return toArray(v)
	}
	return nil, fmt.Errorf("a %s has no JSON form", ty.FriendlyName())
}

// toNumber keeps every digit.
func toNumber(f *big.Float) (any, error) {
	if outOfRange(f) {
		return nil, errors.New("the candidate holds a number out of range (beyond 2^±4096)")
	}
	return json.Number(f.Text('g', -1)), nil
}

// outOfRange reports whether a number lies far beyond what the decoders let pass.
func outOfRange(f *big.Float) bool {
	exponent := f.MantExp(nil)
	return f.IsInf() || exponent > 4096 || exponent < -4096
}

func toObject(v cty.Value) (any, error) {
	out := make(map[string]any, v.LengthInt())
	for it := v.ElementIterator(); it.Next(); {
		k, e := it.Element()
		j, err := toJSON(e)
		if err != nil {
			return nil, err
		}
		out[k.AsString()] = j
	}
	return out, nil
}

func toArray(v cty.Value) (any, error) {
	out := make([]any, 0, v.LengthInt())
	for it := v.ElementIterator(); it.Next(); {
		_, e := it.Element()
		j, err := toJSON(e)
		if err != nil {
			return nil, err
		}
		out = append(out, j)
	}
	return out, nil
}
