package hclspec

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/ianaindex"
)

// stringFunc makes a function of strings that returns a string.
func stringFunc(description string, params []string, impl func(args []string) (string, error)) function.Function {
	spec := &function.Spec{
		Description:  description,
		Type:         function.StaticReturnType(cty.String),
		RefineResult: refineNotNull,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			in := make([]string, len(args))
			for i, a := range args {
				in[i] = a.AsString()
			}
			out, err := impl(in)
			if err != nil {
				return cty.NilVal, err
			}
			return cty.StringVal(out), nil
		},
	}
	for _, name := range params {
		spec.Params = append(spec.Params, function.Parameter{Name: name, Type: cty.String})
	}
	return function.New(spec)
}

var base64GzipFunc = stringFunc("Compresses a string with gzip and encodes the result in Base64.", []string{"str"},
	func(args []string) (string, error) {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		if _, err := w.Write([]byte(args[0])); err != nil {
			return "", err
		}
		if err := w.Flush(); err != nil { // its empty block is in Terraform's result too
			return "", err
		}
		if err := w.Close(); err != nil {
			return "", err
		}
		return base64.StdEncoding.EncodeToString(b.Bytes()), nil
	})

// base64DecodeFunc replaces the one of go-cty-funcs, which logs what it cannot decode.
var base64DecodeFunc = stringFunc("Decodes Base64 into a text.", []string{"str"},
	func(args []string) (string, error) {
		raw, err := base64.StdEncoding.DecodeString(args[0])
		if err != nil {
			return "", function.NewArgErrorf(0, "the given string is not Base64: %s", err)
		}
		if !utf8.Valid(raw) {
			return "", function.NewArgErrorf(0, "the decoded bytes are not valid UTF-8; only text can be a string")
		}
		return string(raw), nil
	})

var base64Sha256Func = stringFunc("The SHA-256 of a string in Base64.", []string{"str"},
	func(args []string) (string, error) { return base64Sha256([]byte(args[0])), nil })

var base64Sha512Func = stringFunc("The SHA-512 of a string in Base64.", []string{"str"},
	func(args []string) (string, error) { return base64Sha512([]byte(args[0])), nil })

func base64Sha256(b []byte) string {
	sum := sha256.Sum256(b)
	return base64.StdEncoding.EncodeToString(sum[:])
}

func base64Sha512(b []byte) string {
	sum := sha512.Sum512(b)
	return base64.StdEncoding.EncodeToString(sum[:])
}

var textEncodeBase64Func = stringFunc("Encodes a text in a character encoding, named as by IANA, and that in Base64.", []string{"string", "encoding"},
	func(args []string) (string, error) {
		enc, err := characterEncoding(args[1])
		if err != nil {
			return "", err
		}
		out, err := enc.NewEncoder().Bytes([]byte(args[0]))
		if err != nil {
			return "", function.NewArgErrorf(0, "the given string contains characters that cannot be represented in %s", args[1])
		}
		return base64.StdEncoding.EncodeToString(out), nil
	})

var textDecodeBase64Func = stringFunc("Decodes Base64, and what comes out in a character encoding, named as by IANA.", []string{"source", "encoding"},
	func(args []string) (string, error) {
		enc, err := characterEncoding(args[1])
		if err != nil {
			return "", err
		}
		raw, err := base64.StdEncoding.DecodeString(args[0])
		if err != nil {
			return "", function.NewArgErrorf(0, "the given string is not Base64: %s", err)
		}
		out, err := enc.NewDecoder().Bytes(raw)
		if err != nil || bytes.ContainsRune(out, '�') {
			return "", function.NewArgErrorf(0, "the given string contains symbols that are not defined for %s", args[1])
		}
		return string(out), nil
	})

func characterEncoding(name string) (encoding.Encoding, error) {
	enc, err := ianaindex.IANA.Encoding(name)
	if err != nil || enc == nil {
		return nil, function.NewArgErrorf(1, "%q is not a supported IANA encoding name or alias", name)
	}
	return enc, nil
}
