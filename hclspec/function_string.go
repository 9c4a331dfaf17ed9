package hclspec

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// replaceFunc takes a substring between slashes as a regular expression, as Terraform
// does; stdlib has a function of its own for that.
var replaceFunc = function.New(&function.Spec{
	Description: "Replaces all occurrences of a substring, or of a regular expression written between slashes.",
	Params: []function.Parameter{
		{Name: "str", Type: cty.String}, {Name: "substr", Type: cty.String}, {Name: "replace", Type: cty.String},
	},
	Type:         function.StaticReturnType(cty.String),
	RefineResult: refineNotNull,
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		str, substr, with := args[0].AsString(), args[1].AsString(), args[2].AsString()
		if len(substr) > 1 && substr[0] == '/' && substr[len(substr)-1] == '/' {
			re, err := regexp.Compile(substr[1 : len(substr)-1])
			if err != nil {
				return cty.NilVal, function.NewArgErrorf(1, "%s", err)
			}
			if err := replacePatternBound(re, str, with); err != nil {
				return cty.NilVal, err
			}
			return cty.StringVal(re.ReplaceAllString(str, with)), nil
		}
		if err := replaceBound(str, substr, with); err != nil {
			return cty.NilVal, err
		}
		return cty.StringVal(strings.ReplaceAll(str, substr, with)), nil
	},
})

func refineNotNull(b *cty.RefinementBuilder) *cty.RefinementBuilder { return b.NotNull() }

// startsWithFunc may know of a text that is not known as a whole how it begins.
var startsWithFunc = function.New(&function.Spec{
	Description: "Whether a string starts with a prefix.",
	Params: []function.Parameter{
		{Name: "str", Type: cty.String, AllowUnknown: true}, {Name: "prefix", Type: cty.String},
	},
	Type:         function.StaticReturnType(cty.Bool),
	RefineResult: refineNotNull,
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		prefix := args[1].AsString()
		if args[0].IsKnown() {
			return cty.BoolVal(strings.HasPrefix(args[0].AsString(), prefix)), nil
		}
		begin := args[0].Range().StringPrefix()
		switch n := min(len(begin), len(prefix)); {
		case begin[:n] != prefix[:n]:
			return cty.False, nil
		case n == len(prefix):
			return cty.True, nil
		}
		return cty.UnknownVal(cty.Bool), nil
	},
})

var endsWithFunc = stringTest("Whether a string ends with a suffix.", "suffix", strings.HasSuffix)

var strContainsFunc = stringTest("Whether a string contains a substring.", "substr", strings.Contains)

func stringTest(description, second string, test func(s, t string) bool) function.Function {
	return function.New(&function.Spec{
		Description:  description,
		Params:       []function.Parameter{{Name: "str", Type: cty.String}, {Name: second, Type: cty.String}},
		Type:         function.StaticReturnType(cty.Bool),
		RefineResult: refineNotNull,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			return cty.BoolVal(test(args[0].AsString(), args[1].AsString())), nil
		},
	})
}

var timeCmpFunc = function.New(&function.Spec{
	Description: "Compares two RFC 3339 timestamps: -1, 0 or 1.",
	Params:      []function.Parameter{{Name: "timestamp_a", Type: cty.String}, {Name: "timestamp_b", Type: cty.String}},
	Type:        function.StaticReturnType(cty.Number),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		var times [2]time.Time
		for i := range times {
			t, err := time.Parse(time.RFC3339, args[i].AsString())
			if err != nil {
				return cty.NilVal, function.NewArgErrorf(i, "not a valid RFC3339 timestamp: %s", timeError(err))
			}
			times[i] = t
		}
		return cty.NumberIntVal(int64(cmp.Compare(times[0].Compare(times[1]), 0))), nil
	},
})

// timeError leaves out the value, which may be sensitive.
func timeError(err error) string {
	if parse, ok := err.(*time.ParseError); ok && parse.LayoutElem != "" {
		return fmt.Sprintf("the part %q of the format 2006-01-02T15:04:05Z does not fit", parse.LayoutElem)
	}
	return "wrong format"
}
