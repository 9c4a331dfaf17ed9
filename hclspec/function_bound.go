package hclspec

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"regexp"
	"strings"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

var (
	errTextTooLarge  = fmt.Errorf("the result would be larger than %s", mebibytes(MaxTextBytes))
	errTooManyParts  = fmt.Errorf("the result would have more than %d parts", MaxSteps)
	errTooManyPasses = fmt.Errorf("this would take more than %d comparisons", 100*MaxSteps)
)

// bounded is a function that first asks how much its result would be. check sees the arguments
// that the function would.
func bounded(f function.Function, check func(args []cty.Value) error) function.Function {
	return function.New(&function.Spec{
		Description:  f.Description(),
		Params:       f.Params(),
		VarParam:     f.VarParam(),
		Type:         f.ReturnTypeForValues,
		RefineResult: refineNotNull,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if err := check(args); err != nil {
				return cty.NilVal, err
			}
			return f.Call(args)
		},
	})
}

// product multiplies and stays at the limit rather than overflow.
func product(limit int, factors ...int) int {
	n := 1
	for _, f := range factors {
		if f == 0 {
			return 0
		}
		if n > limit/f {
			return limit + 1
		}
		n *= f
	}
	return n
}

func textBound(n int) error {
	if n > MaxTextBytes {
		return errTextTooLarge
	}
	return nil
}

func joinBound(args []cty.Value) error {
	count, total := 0, 0
	for _, list := range args[1:] {
		s := sizeOf(list)
		total += s.bytes
		count += elements(list)
	}
	return textBound(total + product(MaxTextBytes, count, textLength(args[0])))
}

func indentBound(args []cty.Value) error {
	spaces, _ := args[0].AsBigFloat().Int64()
	if spaces < 0 {
		return function.NewArgErrorf(0, "the number of spaces must not be negative")
	}
	spaces = min(spaces, MaxTextBytes)
	text := args[1].AsString()
	return textBound(len(text) + product(MaxTextBytes, int(spaces), strings.Count(text, "\n")))
}

func yamlBound(args []cty.Value) error {
	s := sizeOf(args[0])
	if s.tooMany() {
		return errTooManyParts
	}
	return textBound(s.bytes)
}

func productBound(args []cty.Value) error {
	factors := []int{len(args)}
	for _, a := range args {
		factors = append(factors, elements(a))
	}
	if product(maxSteps, factors...) > maxSteps {
		return errTooManyParts
	}
	return nil
}

// logBound and powBound refuse what is not a number, for which the library panics.
func logBound(args []cty.Value) error {
	number, base := args[0].AsBigFloat(), args[1].AsBigFloat()
	one := big.NewFloat(1)
	switch {
	case number.Sign() < 0:
		return function.NewArgErrorf(0, "a negative number has no logarithm")
	case base.Sign() < 0 || base.Cmp(one) == 0:
		return function.NewArgErrorf(1, "there is no logarithm to this base")
	}
	return nil
}

func powBound(args []cty.Value) error {
	number, power := args[0].AsBigFloat(), args[1].AsBigFloat()
	switch {
	case number.Sign() < 0 && !power.IsInt():
		return function.NewArgErrorf(1, "a negative number has only whole powers")
	case number.Sign() == 0 && power.Sign() < 0:
		return function.NewArgErrorf(1, "zero has no negative powers")
	}
	base, _ := number.Float64()
	exponent, _ := power.Float64()
	if math.IsInf(math.Pow(base, exponent), 0) {
		return errors.New("the result is out of range: it would be larger than 1.8e308")
	}
	return nil
}

// A number of more digits would be out of range, and to find that out takes long.
func parseIntBound(args []cty.Value) error {
	if textLength(args[0]) > maxExponent {
		return fmt.Errorf("the number has more than %d digits", maxExponent)
	}
	return nil
}

// formatVerb is one verb of format: flags, width, precision, the number of an argument.
var formatVerb = regexp.MustCompile(`%[-+# 0]*([0-9]*)(?:\.([0-9]*))?(?:\[([0-9]*)\])?(.?)`)

var errWidth = errors.New("a width or precision in the format is more than 1000000 characters")

// formatBound adds up what each verb asks for. An argument of formatlist that is a list
// gives its elements, any other is repeated for each.
func formatBound(args []cty.Value) error {
	spec, values := args[0].AsString(), args[1:]
	rounds := 1
	for _, v := range values {
		rounds = max(rounds, elements(v))
	}
	total, next := product(MaxTextBytes, rounds, len(spec)), 0
	for _, m := range formatVerb.FindAllStringSubmatch(spec, -1) {
		if len(m[1]) > 7 || len(m[2]) > 7 {
			return errWidth
		}
		if m[4] == "%" {
			continue
		}
		width := atMost(m[1]) + atMost(m[2])
		if m[3] != "" {
			next = atMost(m[3]) - 1
		}
		if next >= 0 && next < len(values) {
			if err := numbersBound(m[4], values[next]); err != nil {
				return err
			}
			s := sizeOf(values[next])
			if elements(values[next]) == 0 {
				s.bytes = product(MaxTextBytes, rounds, s.bytes)
			}
			total += s.bytes
		}
		next++
		if total += product(MaxTextBytes, rounds, width); total > MaxTextBytes {
			return errTextTooLarge
		}
	}
	return nil
}

// numbersBound looks at texts that a verb makes a number of.
func numbersBound(verb string, v cty.Value) error {
	switch verb {
	case "b", "d", "o", "x", "X", "e", "E", "f", "g", "G":
		if v.Type().IsPrimitiveType() {
			return convertibleTo(v, cty.Number)
		}
		return convertibleTo(v, cty.List(cty.Number)) // one for each round
	}
	return nil
}

// atMost reads a decimal number and stops where no sensible one goes on.
func atMost(digits string) int {
	n := 0
	for _, d := range digits {
		if n = 10*n + int(d-'0'); n > MaxTextBytes {
			break
		}
	}
	return n
}

// replaceBound is for a plain text. Each occurrence is known before anything is built.
func replaceBound(str, substr, with string) error {
	if grows := len(with) - len(substr); grows > 0 {
		return textBound(len(str) + product(MaxTextBytes, strings.Count(str, substr), grows))
	}
	return nil
}

// replacePatternBound is for a regular expression: each $ of the replacement stands for a
// part of a match, and all matches together are no longer than the text.
func replacePatternBound(re *regexp.Regexp, str, with string) error {
	size := func(matches int) int {
		return len(str) + product(MaxTextBytes, matches, len(with)) + product(MaxTextBytes, strings.Count(with, "$"), len(str))
	}
	if size(len(str)+1) <= MaxTextBytes {
		return nil
	}
	return textBound(size(len(re.FindAllStringIndex(str, -1))))
}

// partsBound is for a text that is taken apart: count stops once it is past the limit.
func partsBound(text string, count func(text string) int) error {
	if len(text) >= maxSteps && count(text) > maxSteps { // a part takes a byte at least
		return errTooManyParts
	}
	return nil
}

func splitBound(args []cty.Value) error {
	return partsBound(args[1].AsString(), func(text string) int { return 1 + strings.Count(text, args[0].AsString()) })
}

func regexAllBound(args []cty.Value) error {
	return partsBound(args[1].AsString(), func(text string) int {
		re, err := regexp.Compile(args[0].AsString())
		if err != nil {
			return 0 // which the function will say
		}
		return len(re.FindAllStringIndex(text, maxSteps+1))
	})
}

func csvBound(args []cty.Value) error {
	return partsBound(args[0].AsString(), func(text string) int { return strings.Count(text, ",") + strings.Count(text, "\n") })
}

// jsonBound counts what begins a value, outside of strings.
func jsonBound(text string) error {
	return partsBound(text, func(text string) int {
		n, quoted := 0, false
		for i := 0; i < len(text); i++ {
			switch c := text[i]; {
			case quoted && c == '\\':
				i++
			case c == '"':
				quoted = !quoted
			case !quoted && (c == ',' || c == '[' || c == '{'):
				n++
			}
		}
		return n
	})
}
