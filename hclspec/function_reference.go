package hclspec

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"tidegate/hclspec/gotemplate"
)

// functionGroups are the sections of the page about functions. Every function is in one.
var functionGroups = []struct{ title, names string }{
	{"Numbers", "abs ceil floor log max min parseint pow signum sum"},
	{"Texts", `chomp endswith format formatlist indent join lower regex regexall replace split startswith strcontains
		strrev substr templatestring title trim trimprefix trimspace trimsuffix upper`},
	{"Collections", `alltrue anytrue chunklist coalesce coalescelist compact concat contains distinct element flatten
		index keys length lookup matchkeys merge one range reverse setintersection setproduct setsubtract setunion slice
		sort transpose values zipmap`},
	{"Encodings", `base64decode base64encode base64gzip csvdecode jsondecode jsonencode textdecodebase64
		textencodebase64 urlencode yamldecode yamlencode`},
	{"Files", `abspath basename dirname file filebase64 fileexists fileset pathexpand templatefile`},
	{"Hashes and keys", `base64sha256 base64sha512 filebase64sha256 filebase64sha512 filemd5 filesha1 filesha256
		filesha512 md5 rsadecrypt sha1 sha256 sha512 uuidv5`},
	{"Times", "formatdate timeadd timecmp"},
	{"Networks", "cidrhost cidrnetmask cidrsubnet cidrsubnets"},
	{"Types and marks", `can ephemeralasnull issensitive nonsensitive sensitive tobool tolist tomap tonumber toset tostring
		try`},
	{"Our own", `csvencode deepmerge envdecode envencode gotemplate hcldecode inidecode iniencode propertiesdecode propertiesencode
		tomldecode tomlencode`},
	{"Refused", "bcrypt plantimestamp timestamp uuid"},
}

// FunctionReference is the page about functions, docs/reference/functions.md.
func FunctionReference() []byte {
	var b bytes.Buffer
	b.WriteString(`# Functions

The functions of expressions: Terraform's 118, with its results, and some of our own. What there is to
know beyond this page is in [the language](../language.md#functions). Each of Terraform's can also be
written with its namespace, as ` + "`core::upper`" + `. This page is generated.
`)
	signatures := Signatures()
	for _, g := range functionGroups {
		fmt.Fprintf(&b, "\n## %s\n\n| function | |\n|---|---|\n", g.title)
		for name := range strings.FieldsSeq(g.names) {
			s := signatures[name]
			fmt.Fprintf(&b, "| `%s` | %s |\n", s.Call(name), strings.ReplaceAll(s.Description, "|", `\|`))
		}
	}
	b.WriteString("\n## In templates of Go\n\nWhat `gotemplate` knows beside the functions of text/template, from [sprig](https://masterminds.github.io/sprig/):\n\n")
	subjects := gotemplate.Functions()
	for _, subject := range slices.Sorted(maps.Keys(subjects)) {
		fmt.Fprintf(&b, "- %s: `%s`\n", subject, strings.Join(subjects[subject], "` `"))
	}
	return b.Bytes()
}
