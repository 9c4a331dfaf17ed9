package decode

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"

	"github.com/zclconf/go-cty/cty"
)

// csv reads a table by RFC 4180 whose first line names the columns: a list of objects, whose
// values are texts. A line break within quotes is \n, also where it is written as \r\n.
func (d *document) csv() (cty.Value, error) {
	r := csv.NewReader(bytes.NewReader(d.data))
	r.ReuseRecord = true
	header, err := r.Read()
	if errors.Is(err, io.EOF) {
		return cty.EmptyTupleVal, nil
	}
	if err != nil {
		return cty.NilVal, d.csvError(err)
	}
	columns := make([]string, len(header))
	seen := map[string]bool{}
	for i, name := range header {
		line, column := r.FieldPos(i)
		columns[i] = cty.NormalizeString(name)
		e := d.failf("%s", duplicateKey(name))
		e.Line, e.Column = line, column
		if name == "" {
			e.Message = "a column without a name"
		}
		if name == "" || seen[columns[i]] {
			return cty.NilVal, e
		}
		seen[columns[i]] = true
	}
	var rows []cty.Value
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			return cty.TupleVal(rows), nil
		}
		if err != nil {
			return cty.NilVal, d.csvError(err)
		}
		if d.nodes += 1 + len(record); d.nodes >= d.limits.MaxNodes {
			return cty.NilVal, d.tooManyNodes()
		}
		row := make(map[string]cty.Value, len(columns))
		for i, field := range record {
			row[columns[i]] = cty.StringVal(field)
		}
		rows = append(rows, cty.ObjectVal(row))
	}
}

func (d *document) csvError(err error) error {
	var parse *csv.ParseError
	if !errors.As(err, &parse) {
		return d.failf("not readable as CSV")
	}
	e := d.failf("not readable as CSV")
	e.Line, e.Column = parse.Line, parse.Column
	switch {
	case errors.Is(err, csv.ErrFieldCount):
		e.Message = "this line has more or fewer fields than the first one, which names the columns"
	case errors.Is(err, csv.ErrBareQuote):
		e.Message = `a quote within a field that does not begin with one; put the field in quotes, and write "" for a quote`
	case errors.Is(err, csv.ErrQuote):
		e.Message = `a quoted field that does not end, or goes on after its end; write "" for a quote within`
	}
	return e
}
