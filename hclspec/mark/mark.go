// Package mark holds the marks that values carry. Sensitive: the value never reaches output,
// logs or the state in clear. Ephemeral: it is not shown either, and not stored at all. Marks
// follow a value through expressions, and whatever has a mark counts as sensitive.
//
// Marked values panic in cty's AsString and friends, so whoever needs the Go value of
// something goes through Reveal, and whoever shows something goes through Redact.
package mark

import "github.com/zclconf/go-cty/cty"

type mark string

// Sensitive is the mark of a sensitive value: v.Mark(mark.Sensitive).
const Sensitive = mark("sensitive")

// Ephemeral is the mark of a value that may be used and must not be kept.
const Ephemeral = mark("ephemeral")

// Redacted is what stands where a sensitive value would be shown.
const Redacted = "(sensitive value)"

// HasEphemeral reports whether v or anything inside it is ephemeral.
func HasEphemeral(v cty.Value) bool {
	if !Has(v) {
		return false
	}
	_, marks := v.UnmarkDeep()
	_, is := marks[Ephemeral]
	return is
}

// Has reports whether v or anything inside it is sensitive.
func Has(v cty.Value) bool {
	return v != cty.NilVal && v.ContainsMarked()
}

// Reveal returns v without marks and the paths at which they were. It is the one gateway
// from marked values to plain ones: what comes out is for delivering, never for showing.
func Reveal(v cty.Value) (cty.Value, []cty.Path) {
	if v == cty.NilVal {
		return v, nil
	}
	plain, pvm := v.UnmarkDeepWithPaths()
	paths := make([]cty.Path, 0, len(pvm))
	for _, p := range pvm {
		paths = append(paths, p.Path)
	}
	return plain, paths
}

// Restore marks the given paths of v again, the inverse of Reveal. Paths that v does not
// have are passed over.
func Restore(v cty.Value, paths []cty.Path) cty.Value {
	if len(paths) == 0 || v == cty.NilVal {
		return v
	}
	pvm := make([]cty.PathValueMarks, len(paths))
	for i, p := range paths {
		pvm[i] = cty.PathValueMarks{Path: p, Marks: cty.NewValueMarks(Sensitive)}
	}
	return v.MarkWithPaths(pvm)
}

// Redact returns v with every sensitive part replaced by the text Redacted, so that the
// result may be shown. The types of replaced parts are lost on purpose.
func Redact(v cty.Value) cty.Value {
	if !Has(v) {
		return v
	}
	if v.IsMarked() {
		return cty.StringVal(Redacted)
	}
	if v.IsNull() || !v.IsKnown() {
		return v
	}
	ty := v.Type()
	switch {
	case ty.IsObjectType() || ty.IsMapType():
		out := make(map[string]cty.Value, v.LengthInt())
		for it := v.ElementIterator(); it.Next(); {
			k, e := it.Element()
			out[k.AsString()] = Redact(e)
		}
		return cty.ObjectVal(out)
	case ty.IsTupleType() || ty.IsListType() || ty.IsSetType():
		out := make([]cty.Value, 0, v.LengthInt())
		for it := v.ElementIterator(); it.Next(); {
			_, e := it.Element()
			out = append(out, Redact(e))
		}
		return cty.TupleVal(out)
	}
	return cty.StringVal(Redacted)
}
