package hclspec

import (
	"maps"
	"sync"

	"github.com/hashicorp/go-cty-funcs/cidr"
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
	maps.Copy(funcs, fileFunctions(opts))
	return funcs
}

// fileFunctions are the functions whose results depend on files, and those that do not only
// because a template might.
func fileFunctions(opts FunctionOptions) map[string]function.Function {
	funcs := directFunctions(opts)
	inner := sync.OnceValue(func() map[string]function.Function {
		inner := maps.Clone(pureFunctions)
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
	"base64encode":     encoding.Base64EncodeFunc,
	"base64gzip":       base64GzipFunc,
	"base64sha256":     base64Sha256Func,
	"base64sha512":     base64Sha512Func,
	"basename":         filesystem.BasenameFunc,
	"bcrypt":           refusedFunc("bcrypt", "it salts its result at random"),
	"can":              tryfunc.CanFunc,
	"ceil":             stdlib.CeilFunc,
	"chomp":            stdlib.ChompFunc,
	"chunklist":        stdlib.ChunklistFunc,
	"cidrhost":         cidr.HostFunc,
	"cidrnetmask":      cidrNetmaskFunc,
	"cidrsubnet":       cidr.SubnetFunc,
	"cidrsubnets":      cidr.SubnetsFunc,
	"coalesce":         collection.CoalesceFunc,
	"coalescelist":     stdlib.CoalesceListFunc,
	"compact":          stdlib.CompactFunc,
	"concat":           stdlib.ConcatFunc,
	"contains":         stdlib.ContainsFunc,
	"csvdecode":        stdlib.CSVDecodeFunc,
	"dirname":          filesystem.DirnameFunc,
	"distinct":         stdlib.DistinctFunc,
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
	"jsondecode":       stdlib.JSONDecodeFunc,
	"jsonencode":       jsonEncodeFunc,
	"keys":             stdlib.KeysFunc,
	"length":           lengthFunc,
	"log":              stdlib.LogFunc,
	"lookup":           lookupFunc,
	"lower":            stdlib.LowerFunc,
	"matchkeys":        bounded(matchKeysFunc, matchKeysBound),
	"max":              stdlib.MaxFunc,
	"md5":              crypto.Md5Func,
	"merge":            stdlib.MergeFunc,
	"min":              stdlib.MinFunc,
	"nonsensitive":     nonsensitiveFunc,
	"one":              oneFunc,
	"parseint":         bounded(stdlib.ParseIntFunc, parseIntBound),
	"pathexpand":       filesystem.PathExpandFunc,
	"plantimestamp":    refusedFunc("plantimestamp", "it differs at every look"),
	"pow":              stdlib.PowFunc,
	"range":            stdlib.RangeFunc,
	"regex":            stdlib.RegexFunc,
	"regexall":         stdlib.RegexAllFunc,
	"replace":          replaceFunc,
	"reverse":          stdlib.ReverseListFunc,
	"rsadecrypt":       crypto.RsaDecryptFunc,
	"sensitive":        sensitiveFunc,
	"setintersection":  stdlib.SetIntersectionFunc,
	"setproduct":       bounded(stdlib.SetProductFunc, productBound),
	"setsubtract":      stdlib.SetSubtractFunc,
	"setunion":         stdlib.SetUnionFunc,
	"sha1":             crypto.Sha1Func,
	"sha256":           crypto.Sha256Func,
	"sha512":           crypto.Sha512Func,
	"signum":           stdlib.SignumFunc,
	"slice":            stdlib.SliceFunc,
	"sort":             stdlib.SortFunc,
	"split":            stdlib.SplitFunc,
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
	"try":              tryfunc.TryFunc,
	"upper":            stdlib.UpperFunc,
	"urlencode":        encoding.URLEncodeFunc,
	"uuid":             refusedFunc("uuid", "it is random"),
	"uuidv5":           uuid.V5Func,
	"values":           stdlib.ValuesFunc,
	"yamldecode":       yamlDecodeFunc,
	"yamlencode":       bounded(yaml.YAMLEncodeFunc, yamlBound),
	"zipmap":           stdlib.ZipmapFunc,
}

// refusedFunc stands for a function whose result never settles.
func refusedFunc(name, why string) function.Function {
	return function.New(&function.Spec{
		Description: "Refused: " + why + ".",
		VarParam: &function.Parameter{
			Name: "any", Type: cty.DynamicPseudoType,
			AllowNull: true, AllowUnknown: true, AllowDynamicType: true, AllowMarked: true,
		},
		Type: func([]cty.Value) (cty.Type, error) { return cty.NilType, refusedError{name, why} },
		Impl: func([]cty.Value, cty.Type) (cty.Value, error) { return cty.NilVal, refusedError{name, why} },
	})
}

type refusedError struct{ name, why string }

func (e refusedError) Error() string {
	return e.name + "() cannot be used, because " + e.why +
		", and a sink that depends on it would be written again and again. Let a source or variable give the value"
}
