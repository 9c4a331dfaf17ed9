package hclspec

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/json"

	"tidegate/hclspec/scan"
)

// A parsedFile is what one file says, whatever the others say. It is not changed, so that
// the next load can take it over where the bytes are equal.
type parsedFile struct {
	path     string
	file     *hcl.File // its bytes; nil if it could not be read or is too large
	sum      [sha256.Size]byte
	declared []declaration
	diags    hcl.Diagnostics // of the file, beside those of its declarations
	damage   *damage         // by mistakes in its syntax, nil for none
}

// parseFile reads a file, and parses it if it is not the one of before. buf is used again
// for each file.
func (o LoadOptions) parseFile(path string, before *parsedFile, buf *bytes.Buffer) *parsedFile {
	p := &parsedFile{path: path}
	buf.Reset()
	if diag := o.Stored.readConfig(ReadConfig, path, buf); diag != nil {
		p.diags, p.damage = append(p.diags, diag), &damage{all: true}
		return p
	}
	// In JSON the word may be written with escapes.
	if o.Settings && !strings.HasSuffix(path, ".json") && !bytes.Contains(buf.Bytes(), []byte("tidegate")) {
		return p
	}
	if before != nil && before.file != nil && bytes.Equal(before.file.Bytes, buf.Bytes()) {
		return before
	}
	src := bytes.Clone(buf.Bytes())
	if src == nil {
		src = []byte{}
	}
	p.sum = sha256.Sum256(src)
	p.file = diagnosticFile(path, src)
	p.parse(src)
	return p
}

func (p *parsedFile) parse(src []byte) {
	body, diags := parseBytes(src, p.path)
	p.diags, p.damage = essential(src, body, diags)
	if _, isNative := body.(*hclsyntax.Body); !isNative && diags.HasErrors() {
		return
	}
	blocks, diags := topLevel(body)
	p.diags = append(p.diags, diags...)
	for _, b := range blocks {
		p.declared = append(p.declared, declare(b)...)
	}
}

// MaxFileBytes is the size of the largest configuration file that is read.
const MaxFileBytes = 4 << 20

// readConfig reads a regular file of at most MaxFileBytes.
func readConfig(path string, into *bytes.Buffer) *hcl.Diagnostic {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		return errorAt(fileStart(path), "Not a regular file", "%s is %s. Only regular files are read as configuration.", path, describeMode(info.Mode()))
	}
	if err != nil {
		return unreadableFile(path, err)
	}
	f, err := os.Open(path)
	if err != nil {
		return unreadableFile(path, err)
	}
	defer f.Close()
	if _, err := into.ReadFrom(io.LimitReader(f, MaxFileBytes+1)); err != nil {
		return unreadableFile(path, err)
	}
	if into.Len() > MaxFileBytes {
		return errorAt(fileStart(path), "File too large", "%s is larger than 4 MiB. Split it, or read large data with a source or file().", path)
	}
	return nil
}

func unreadableFile(path string, err error) *hcl.Diagnostic {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		err = pathErr.Err
	}
	return errorAt(fileStart(path), "File cannot be read", "Reading %s failed: %s.", path, err)
}

func describeMode(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "a directory"
	case m&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case m&fs.ModeSocket != 0:
		return "a socket"
	}
	return "a device"
}

// parseBytes checks src and parses it, as JSON if the name ends in .json. The body is nil
// when the text was refused unparsed.
func parseBytes(src []byte, name string) (body hcl.Body, diags hcl.Diagnostics) {
	if diag := checkText(src, name); diag != nil {
		return nil, hcl.Diagnostics{diag}
	}
	// hcl has had panics in its parsers, mostly in recovery from errors; one bad file must
	// not take down a daemon that runs on the last good configuration.
	defer func() {
		if r := recover(); r != nil {
			body, diags = nil, hcl.Diagnostics{errorAt(fileStart(name), "File cannot be parsed",
				"The parser gave up on %s: %v. Check the file for syntax errors.", name, r)}
		}
	}()
	var file *hcl.File
	if strings.HasSuffix(name, ".json") {
		file, diags = json.Parse(src, name)
		return jsonBody{file.Body}, diags
	}
	file, diags = hclsyntax.ParseConfig(src, name, hcl.InitialPos)
	if native, ok := file.Body.(*hclsyntax.Body); ok {
		guardBody(native)
	}
	return file.Body, diags
}

// checkText refuses what must not reach a parser: invalid UTF-8 and deep nesting.
func checkText(src []byte, name string) *hcl.Diagnostic {
	if !utf8.Valid(src) {
		return placed(src, name, &scan.Error{Offset: invalidUTF8(src), Summary: "Invalid UTF-8", Detail: "The file is not valid UTF-8 at this place. Save it in UTF-8."})
	}
	if strings.HasSuffix(name, ".json") {
		return placed(src, name, scan.JSON(src))
	}
	return placed(src, name, scan.Config(src))
}

func invalidUTF8(src []byte) int {
	for i := 0; i < len(src); {
		r, n := utf8.DecodeRune(src[i:])
		if r == utf8.RuneError && n <= 1 {
			return i
		}
		i += n
	}
	return len(src)
}

func placed(src []byte, name string, err *scan.Error) *hcl.Diagnostic {
	if err == nil {
		return nil
	}
	start := positionAt(src, err.Offset)
	end := start
	if err.Offset < len(src) {
		end.Byte++
		end.Column++
	}
	return errorAt(hcl.Range{Filename: name, Start: start, End: end}, err.Summary, "%s", err.Detail)
}

// parseExpression parses the text of one expression from outside the files.
func parseExpression(src, name string) (hcl.Expression, hcl.Diagnostics) {
	if diag := checkText([]byte(src), name); diag != nil {
		return nil, hcl.Diagnostics{diag}
	}
	expr, diags := hclsyntax.ParseExpression([]byte(src), name, hcl.InitialPos)
	if diags.HasErrors() {
		return expr, diags
	}
	return guard(expr), diags
}

// diagnosticFile is what Spec.Files holds of a file: its bytes, and for "in sink "file"
// "app"" beside a snippet a syntax tree that is built only when a diagnostic asks.
func diagnosticFile(name string, src []byte) *hcl.File {
	return &hcl.File{Body: hcl.EmptyBody(), Bytes: src, Nav: &lazyNav{name: name, src: src}}
}

type lazyNav struct {
	name string
	src  []byte
	once sync.Once
	nav  any
}

// ContextString names the block around an offset; hcl's diagnostic writer asks for it.
func (n *lazyNav) ContextString(offset int) string {
	n.once.Do(n.parse)
	if nav, ok := n.nav.(interface{ ContextString(int) string }); ok {
		return nav.ContextString(offset)
	}
	return ""
}

func (n *lazyNav) parse() {
	defer func() { _ = recover() }() // as in parseBytes; a snippet without context will do
	if checkText(n.src, n.name) != nil {
		return
	}
	if strings.HasSuffix(n.name, ".json") {
		file, _ := json.Parse(n.src, n.name)
		n.nav = file.Nav
		return
	}
	file, _ := hclsyntax.ParseConfig(n.src, n.name, hcl.InitialPos)
	n.nav = file.Nav
}

// ParseExpression reads one expression, as a line of the console. Size and nesting are
// scanned before the parse, like those of files.
func ParseExpression(src []byte, name string) (hcl.Expression, hcl.Diagnostics) {
	return parseExpression(string(src), name)
}
