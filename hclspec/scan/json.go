package scan

import (
	"bytes"
	"encoding/json"
)

// JSON reports whether src, a file in JSON syntax, is safe to parse and later to
// evaluate: its strings are templates, which are parsed whenever they are looked at.
func JSON(src []byte) *Error {
	depth := 0
	for i := 0; i < len(src); i++ {
		switch src[i] {
		case '{', '[':
			depth++
			if depth > MaxNesting {
				return &Error{i, "Nesting too deep", "Objects and arrays may stand at most 200 deep inside each other."}
			}
		case '}', ']':
			depth--
		case '"':
			end := endOfString(src, i)
			if err := scanJSONString(src[i:end]); err != nil {
				err.Offset = i
				return err
			}
			i = end - 1
		case '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
			if exponentTooLong(src[i:]) {
				return &Error{i, outOfRange, outOfRangeDetail}
			}
			for i+1 < len(src) && src[i+1] >= '0' && src[i+1] <= '9' {
				i++
			}
		}
	}
	return nil
}

// endOfString returns the offset after the string that starts at i. As hcl/json has it,
// a control character ends an unterminated one.
func endOfString(src []byte, i int) int {
	for i++; i < len(src); i++ {
		switch {
		case src[i] == '\\':
			i++
			if i < len(src) && src[i] < ' ' {
				return i
			}
		case src[i] == '"':
			return i + 1
		case src[i] < ' ':
			return i
		}
	}
	return len(src)
}

func scanJSONString(quoted []byte) *Error {
	if !bytes.ContainsAny(quoted, "$%\\") {
		return nil
	}
	text := quoted
	if bytes.IndexByte(quoted, '\\') >= 0 {
		var s string
		if json.Unmarshal(quoted, &s) != nil {
			return nil // no parser will make a value of it
		}
		text = []byte(s)
	}
	if !bytes.Contains(text, []byte("${")) && !bytes.Contains(text, []byte("%{")) {
		return nil
	}
	return Template(text)
}
