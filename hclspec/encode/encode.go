// Package encode writes values as documents: the other way of package decode.
//
// What happens when this fails? It returns an error and no text: a value is written whole, so
// that reading it brings the same value, or not at all. What a format has no words for (a null,
// an object within a field, a newline in a key) is an error that says where it is. Errors name
// keys and never quote a value: it may be a secret.
//
// All functions take values without marks that are wholly known.
package encode

import (
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// keyed reports whether a value has named parts.
func keyed(v cty.Value) bool {
	return !v.IsNull() && (v.Type().IsObjectType() || v.Type().IsMapType())
}

// listed reports whether a value has parts in an order.
func listed(v cty.Value) bool {
	return !v.IsNull() && (v.Type().IsTupleType() || v.Type().IsListType() || v.Type().IsSetType())
}

// sortedKeys are the names of the parts, in an order that is always the same.
func sortedKeys(parts map[string]cty.Value) []string { return slices.Sorted(maps.Keys(parts)) }

var errNull = errors.New("it is null; leave it out, or give it a value")

// text writes a primitive value as the text of a field.
func text(v cty.Value) (string, error) {
	if v.IsNull() {
		return "", errNull
	}
	switch v.Type() {
	case cty.String:
		return v.AsString(), nil
	case cty.Number:
		return number(v.AsBigFloat())
	case cty.Bool:
		return strconv.FormatBool(v.True()), nil
	}
	return "", fmt.Errorf("it is of type %s, and only a text, a number or a bool can be written here; use jsonencode for what is inside", v.Type().FriendlyName())
}

// number writes all digits.
func number(f *big.Float) (string, error) {
	if f.IsInf() {
		return "", errors.New("it is an infinite number")
	}
	return f.Text('f', -1), nil
}

// at says which part of a value an error is about.
func at(path string, err error) error { return fmt.Errorf("%s: %w", path, err) }

// below is the path of a part.
func below(path, key string) string {
	if path == "" {
		return shown(key)
	}
	return path + "." + shown(key)
}

// shown writes a key for an error.
func shown(key string) string {
	if len(key) > 60 {
		key = key[:60] + "..."
	}
	if key == "" || strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r == '"' || r == '.' || r > 0x7e }) {
		return strconv.Quote(key)
	}
	return key
}

// object returns the parts of what has to be an object at the top.
func object(v cty.Value) (map[string]cty.Value, error) {
	if !keyed(v) {
		return nil, fmt.Errorf("an object or a map is needed, not %s", v.Type().FriendlyName())
	}
	return v.AsValueMap(), nil
}
