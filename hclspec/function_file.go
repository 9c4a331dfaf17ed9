package hclspec

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// directFunctions are the functions that look at files themselves, confined as opts say.
func directFunctions(opts FunctionOptions) map[string]function.Function {
	r := &fileReader{opts: opts}
	return map[string]function.Function{
		"abspath": stringFunc("The absolute path; relative ones resolve against the module's directory.", []string{"path"},
			func(args []string) (string, error) { return filepath.ToSlash(r.abs(args[0])), nil }),
		"file":             r.fileFunc("The content of a text file.", text),
		"filebase64":       r.fileFunc("The content of a file in Base64.", func(b []byte) (string, error) { return base64.StdEncoding.EncodeToString(b), nil }),
		"filebase64sha256": r.fileFunc("The SHA-256 of a file in Base64.", func(b []byte) (string, error) { return base64Sha256(b), nil }),
		"filebase64sha512": r.fileFunc("The SHA-512 of a file in Base64.", func(b []byte) (string, error) { return base64Sha512(b), nil }),
		"filemd5":          r.fileFunc("The MD5 of a file in hexadecimal.", func(b []byte) (string, error) { return hexOf(md5.Sum(b)), nil }),
		"filesha1":         r.fileFunc("The SHA-1 of a file in hexadecimal.", func(b []byte) (string, error) { return hexOf(sha1.Sum(b)), nil }),
		"filesha256":       r.fileFunc("The SHA-256 of a file in hexadecimal.", func(b []byte) (string, error) { return hexOf(sha256.Sum256(b)), nil }),
		"filesha512":       r.fileFunc("The SHA-512 of a file in hexadecimal.", func(b []byte) (string, error) { return hexOf(sha512.Sum512(b)), nil }),
		"fileexists":       r.existsFunc(),
		"fileset":          r.setFunc(),
		"gotemplate":       goTemplateFunc(r),
	}
}

func hexOf[A [16]byte | [20]byte | [32]byte | [64]byte](sum A) string {
	switch s := any(sum).(type) {
	case [16]byte:
		return hex.EncodeToString(s[:])
	case [20]byte:
		return hex.EncodeToString(s[:])
	case [32]byte:
		return hex.EncodeToString(s[:])
	case [64]byte:
		return hex.EncodeToString(s[:])
	}
	return ""
}

func text(b []byte) (string, error) {
	if !utf8.Valid(b) {
		return "", errors.New("the file is not valid UTF-8; use filebase64 for binary data")
	}
	return string(b), nil
}

// pathParam takes marked paths itself, so that errors about them do not show them.
var pathParam = function.Parameter{Name: "path", Type: cty.String, AllowMarked: true}

func (r *fileReader) fileFunc(description string, encode func([]byte) (string, error)) function.Function {
	return function.New(&function.Spec{
		Description:  description,
		Params:       []function.Parameter{pathParam},
		Type:         function.StaticReturnType(cty.String),
		RefineResult: refineNotNull,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			path, marks := args[0].Unmark()
			content, err := r.read(path.AsString())
			if err != nil {
				return cty.NilVal, argError(err, len(marks) > 0)
			}
			out, err := encode(content)
			if err != nil {
				return cty.NilVal, function.NewArgError(0, err)
			}
			return cty.StringVal(out).WithMarks(marks), nil
		},
	})
}

func argError(err error, secret bool) error {
	if secret {
		return function.NewArgErrorf(0, "the file with this sensitive path cannot be read")
	}
	var placed function.ArgError
	if errors.As(err, &placed) {
		return err
	}
	// It is put into a sentence with a full stop of its own.
	return function.NewArgErrorf(0, "%s", strings.TrimSuffix(err.Error(), "."))
}

func (r *fileReader) existsFunc() function.Function {
	return function.New(&function.Spec{
		Description:  "Whether there is a regular file at the path.",
		Params:       []function.Parameter{pathParam},
		Type:         function.StaticReturnType(cty.Bool),
		RefineResult: refineNotNull,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			path, marks := args[0].Unmark()
			found, err := r.exists(path.AsString())
			if err != nil {
				return cty.NilVal, argError(err, len(marks) > 0)
			}
			return cty.BoolVal(found).WithMarks(marks), nil
		},
	})
}

func (r *fileReader) setFunc() function.Function {
	return function.New(&function.Spec{
		Description: "The files below a directory that match a pattern with *, ?, [a-z], {a,b} and **.",
		Params: []function.Parameter{
			pathParam,
			{Name: "pattern", Type: cty.String, AllowMarked: true},
		},
		Type:         function.StaticReturnType(cty.Set(cty.String)),
		RefineResult: refineNotNull,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			path, pathMarks := args[0].Unmark()
			pattern, patternMarks := args[1].Unmark()
			names, err := r.glob(path.AsString(), pattern.AsString())
			if err != nil {
				return cty.NilVal, argError(err, len(pathMarks)+len(patternMarks) > 0)
			}
			vals := make([]cty.Value, len(names))
			for i, n := range names {
				vals[i] = cty.StringVal(n)
			}
			set := cty.SetValEmpty(cty.String)
			if len(vals) > 0 {
				set = cty.SetVal(vals)
			}
			return set.WithMarks(pathMarks, patternMarks), nil
		},
	})
}
