package encode

import (
	"encoding/csv"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// CSV writes a list of objects as a table by RFC 4180, with lines that end in \n: a line with the
// names of the columns, and one for each object. The columns are those given, in their order, or,
// if none is, all attributes in that of their names. Every object has to have exactly these; a
// null is an empty field.
func CSV(rows cty.Value, columns []string) (string, error) {
	if !listed(rows) {
		return "", fmt.Errorf("a list of objects is needed, not %s", rows.Type().FriendlyName())
	}
	var b strings.Builder
	w := csv.NewWriter(&b)
	record := make([]string, len(columns))
	for i, row := range rows.AsValueSlice() {
		path := fmt.Sprintf("row %d", i)
		if !keyed(row) {
			return "", at(path, fmt.Errorf("an object is needed, not %s", row.Type().FriendlyName()))
		}
		fields := row.AsValueMap()
		if i == 0 {
			if len(columns) == 0 {
				columns = sortedKeys(fields)
				record = make([]string, len(columns))
			}
			if err := header(w, columns); err != nil {
				return "", err
			}
		}
		for j, name := range columns {
			v, ok := fields[name]
			if !ok {
				return "", at(path, fmt.Errorf("it has no attribute %s, which is a column", shown(name)))
			}
			record[j] = ""
			if !v.IsNull() {
				var err error
				if record[j], err = text(v); err != nil {
					return "", at(path+", "+shown(name), err)
				}
			}
		}
		if len(fields) > len(columns) {
			for _, name := range sortedKeys(fields) {
				if !slices.Contains(columns, name) {
					return "", at(path, fmt.Errorf("its attribute %s is no column", shown(name)))
				}
			}
		}
		if len(record) == 1 && record[0] == "" { // not an empty line, which readers pass over
			w.Flush()
			b.WriteString("\"\"\n")
			continue
		}
		if err := w.Write(record); err != nil {
			return "", at(path, err)
		}
	}
	if rows.LengthInt() == 0 && len(columns) > 0 {
		if err := header(w, columns); err != nil {
			return "", err
		}
	}
	w.Flush()
	return b.String(), w.Error()
}

func header(w *csv.Writer, columns []string) error {
	if len(columns) == 0 {
		return errors.New("the objects have no attributes that could be columns")
	}
	for i, name := range columns {
		switch {
		case name == "":
			return errors.New("a column needs a name")
		case slices.Contains(columns[:i], name):
			return fmt.Errorf("the column %s is there twice", shown(name))
		}
	}
	return w.Write(columns)
}
