package hclspec

import (
	"maps"
	"sync"

	"github.com/hashicorp/go-cty-funcs/collection"
	"github.com/hashicorp/go-cty-funcs/crypto"
	"github.com/hashicorp/go-cty-funcs/encoding"
	"github.com/hashicorp/go-cty-funcs/filesystem"
	"github.com/hashicorp/go-cty-funcs/uuid"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	yaml "github.com/zclconf/go-cty-yaml"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// FunctionOptions confines the functions that read files.
type FunctionOptions struct {
	ModuleDir string   // absolute; relative paths resolve against it
	ReadPaths []string // absolute; what may be read beside the module directory
	// OnRead, if set, is called for each look at a file, since it counts as configuration,
	// also where nothing was found. Calls may come from several goroutines.
	OnRead func(Read, Found)
	// Stored is read instead of the disk; nil for the disk. Find is asked for what it does not
	// have, see Tree.
	Stored Stored
	Find   func(Read) (Found, bool)
}

// Functions returns the functions of expressions, by name: Terraform's, with the same
// results. Marks flow through all of them. The ones that read files obey opts; timestamp,
// plantimestamp, uuid and bcrypt exist and answer why they are refused.
func Functions(opts FunctionOptions) map[string]function.Function {
	funcs := maps.Clone(pureFunctions)
	maps.Copy(funcs, ownFunctions)
	maps.Copy(funcs, fileFunctions(opts))
	return funcs
}

// fileFunctions are the functions whose results depend on files, and those that do not only
// because a template might.
func fileFunctions(opts FunctionOptions) map[string]function.Function {
	funcs := directFunctions(opts)
	inner := sync.OnceValue(func() map[string]function.Function {
		inner := maps.Clone(pureFunctions)
		maps.Copy(inner, ownFunctions)
		maps.Copy(inner, funcs)
		return inTemplates(inner)
	})
	out := maps.Clone(funcs)
	maps.Copy(out, templateFunctions(opts, inner))
	return out
}

// FileFunctions are the functions of Functions that look at files. Together with others that
// hide behind them they serve where one expression's reads are to be told from those of others.
func FileFunctions(opts FunctionOptions) map[string]function.Function { return fileFunctions(opts) }

// readsFiles names the functions that look at files.
var readsFiles = map[string]bool{
	"file": true, "filebase64": true, "filebase64sha256": true, "filebase64sha512": true, "filemd5": true,
	"filesha1": true, "filesha256": true, "filesha512": true, "fileexists": true, "fileset": true,
	"gotemplate":   true,
	"templatefile": true, "templatestring": true, // a template may call the others
}

// ReadsFiles reports whether an expression calls a function that looks at files.
func ReadsFiles(expr hcl.Expression) bool {
	if e, ok := expr.(*jsonExpression); ok {
		return ReadsFiles(e.native())
	}
	if l, ok := expr.(*later); ok {
		expr = l.UnwrapExpression()
	}
	node, ok := expr.(hclsyntax.Node)
	if !ok {
		around, ok := expr.(interface{ UnwrapExpression() hcl.Expression })
		return ok && ReadsFiles(around.UnwrapExpression())
	}
	w := &callWalker{}
	_ = hclsyntax.Walk(node, w)
	return w.found
}

type callWalker struct{ found bool }

func (w *callWalker) Enter(n hclsyntax.Node) hcl.Diagnostics {
	switch call := n.(type) {
	case *callGuard:
		w.found = w.found || readsFiles[call.Name]
	case *hclsyntax.FunctionCallExpr:
		w.found = w.found || readsFiles[call.Name]
	}
	return nil
}

func (w *callWalker) Exit(hclsyntax.Node) hcl.Diagnostics { return nil }

// pureFunctions depend on their arguments alone.
var pureFunctions = map[string]function.Function{
	"abs":              stdlib.AbsoluteFunc,
	"alltrue":          allTrueFunc,
	"anytrue":          anyTrueFunc,
	"base64decode":     base64DecodeFunc,
	"base64encode":     described(encoding.Base64EncodeFunc, "Encodes a text in Base64."),
	"base64gzip":       base64GzipFunc,
	"base64sha256":     base64Sha256Func,
	"base64sha512":     base64Sha512Func,
	"basename":         described(filesystem.BasenameFunc, "The last element of a path."),
	"bcrypt":           refusedFunc("bcrypt", "it salts its result at random", bcryptParams...),
	"can":              described(tryfunc.CanFunc, "Whether an expression can be evaluated without an error."),
	"ceil":             stdlib.CeilFunc,
	"chomp":            stdlib.ChompFunc,
	"chunklist":        stdlib.ChunklistFunc,
	"cidrhost":         cidrHostFunc,
	"cidrnetmask":      cidrNetmaskFunc,
	"cidrsubnet":       cidrSubnetFunc,
	"cidrsubnets":      cidrSubnetsFunc,
	"coalesce":         described(collection.CoalesceFunc, "The first argument that is neither null nor an empty string."),
	"coalescelist":     stdlib.CoalesceListFunc,
	"compact":          stdlib.CompactFunc,
	"concat":           stdlib.ConcatFunc,
	"contains":         stdlib.ContainsFunc,
	"csvdecode":        bounded(stdlib.CSVDecodeFunc, csvBound),
	"dirname":          described(filesystem.DirnameFunc, "A path without its last element."),
	"distinct":         distinctFunc,
	"element":          stdlib.ElementFunc,
	"endswith":         endsWithFunc,
	"ephemeralasnull":  ephemeralAsNullFunc,
	"flatten":          stdlib.FlattenFunc,
	"floor":            stdlib.FloorFunc,
	"format":           bounded(stdlib.FormatFunc, formatBound),
	"formatdate":       stdlib.FormatDateFunc,
	"formatlist":       bounded(stdlib.FormatListFunc, formatBound),
	"indent":           bounded(stdlib.IndentFunc, indentBound),
	"index":            indexFunc,
	"issensitive":      isSensitiveFunc,
	"join":             bounded(stdlib.JoinFunc, joinBound),
	"jsondecode":       jsonDecodeFunc,
	"jsonencode":       jsonEncodeFunc,
	"keys":             stdlib.KeysFunc,
	"length":           lengthFunc,
	"log":              bounded(stdlib.LogFunc, logBound),
	"lookup":           lookupFunc,
	"lower":            stdlib.LowerFunc,
	"matchkeys":        matchKeysFunc,
	"max":              stdlib.MaxFunc,
	"md5":              described(crypto.Md5Func, "The MD5 of a string in hexadecimal."),
	"merge":            stdlib.MergeFunc,
	"min":              stdlib.MinFunc,
	"nonsensitive":     nonsensitiveFunc,
	"one":              oneFunc,
	"parseint":         bounded(stdlib.ParseIntFunc, parseIntBound),
	"pathexpand":       described(filesystem.PathExpandFunc, "The path with a leading ~ replaced by the home directory."),
	"plantimestamp":    refusedFunc("plantimestamp", "it differs at every look"),
	"pow":              bounded(stdlib.PowFunc, powBound),
	"range":            stdlib.RangeFunc,
	"regex":            stdlib.RegexFunc,
	"regexall":         bounded(stdlib.RegexAllFunc, regexAllBound),
	"replace":          replaceFunc,
	"reverse":          stdlib.ReverseListFunc,
	"rsadecrypt":       described(crypto.RsaDecryptFunc, "Decrypts Base64 of what was encrypted with RSA (PKCS #1 v1.5), with a private key in PEM."),
	"sensitive":        sensitiveFunc,
	"setintersection":  stdlib.SetIntersectionFunc,
	"setproduct":       bounded(stdlib.SetProductFunc, productBound),
	"setsubtract":      stdlib.SetSubtractFunc,
	"setunion":         stdlib.SetUnionFunc,
	"sha1":             described(crypto.Sha1Func, "The SHA-1 of a string in hexadecimal."),
	"sha256":           described(crypto.Sha256Func, "The SHA-256 of a string in hexadecimal."),
	"sha512":           described(crypto.Sha512Func, "The SHA-512 of a string in hexadecimal."),
	"signum":           stdlib.SignumFunc,
	"slice":            stdlib.SliceFunc,
	"sort":             stdlib.SortFunc,
	"split":            bounded(stdlib.SplitFunc, splitBound),
	"startswith":       startsWithFunc,
	"strcontains":      strContainsFunc,
	"strrev":           stdlib.ReverseFunc,
	"substr":           stdlib.SubstrFunc,
	"sum":              sumFunc,
	"textdecodebase64": textDecodeBase64Func,
	"textencodebase64": textEncodeBase64Func,
	"timeadd":          stdlib.TimeAddFunc,
	"timecmp":          timeCmpFunc,
	"timestamp":        refusedFunc("timestamp", "it differs at every look"),
	"title":            stdlib.TitleFunc,
	"tobool":           toFunc(cty.Bool),
	"tolist":           toFunc(cty.List(cty.DynamicPseudoType)),
	"tomap":            toFunc(cty.Map(cty.DynamicPseudoType)),
	"tonumber":         toFunc(cty.Number),
	"toset":            toFunc(cty.Set(cty.DynamicPseudoType)),
	"tostring":         toFunc(cty.String),
	"transpose":        transposeFunc,
	"trim":             stdlib.TrimFunc,
	"trimprefix":       stdlib.TrimPrefixFunc,
	"trimspace":        stdlib.TrimSpaceFunc,
	"trimsuffix":       stdlib.TrimSuffixFunc,
	"try":              described(tryfunc.TryFunc, "The value of the first expression that can be evaluated without an error."),
	"upper":            stdlib.UpperFunc,
	"urlencode":        described(encoding.URLEncodeFunc, "Escapes a text for the query of a URL."),
	"uuid":             refusedFunc("uuid", "it is random"),
	"uuidv5":           described(uuid.V5Func, "The UUID of a name within a namespace: dns, url, oid, x500 or a UUID."),
	"values":           stdlib.ValuesFunc,
	"yamldecode":       yamlDecodeFunc,
	"yamlencode":       bounded(described(yaml.YAMLEncodeFunc, "Writes a value as YAML."), yamlBound),
	"zipmap":           stdlib.ZipmapFunc,
}

// refusedFunc stands for a function whose result never settles. It has the parameters of
// Terraform's, and takes what is unknown to say so in any case.
func refusedFunc(name, why string, params ...function.Parameter) function.Function {
	spec := &function.Spec{
		Description: "Refused: " + why + ".",
		Type:        function.StaticReturnType(cty.String),
		Impl:        func([]cty.Value, cty.Type) (cty.Value, error) { return cty.NilVal, refusedError{name, why} },
	}
	for i, p := range params {
		p.AllowUnknown, p.AllowDynamicType, p.AllowMarked = true, true, true
		params[i] = p
	}
	if n := len(params); n > 1 {
		spec.Params, spec.VarParam = params[:n-1], &params[n-1]
	}
	return function.New(spec)
}

var bcryptParams = []function.Parameter{{Name: "str", Type: cty.String}, {Name: "cost", Type: cty.Number}}

type refusedError struct{ name, why string }

func (e refusedError) Error() string {
	return e.name + "() cannot be used, because " + e.why +
		", and a sink that depends on it would be written again and again. Let a source or variable give the value"
}
