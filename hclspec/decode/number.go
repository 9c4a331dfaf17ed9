package decode

import (
	"errors"
	"math/big"
	"strconv"

	"github.com/zclconf/go-cty/cty"
)

const (
	// precision is that of all numbers of the language, in bits; cty.ParseNumberVal
	// uses the same. It tells any two numbers of 150 significant digits apart.
	precision = 512

	maxDigits   = 150
	maxExponent = 308  // of the greatest double
	minExponent = -324 // of the smallest
)

var (
	errTooManyDigits = errors.New("a number with more than 150 significant digits; write it as a string")
	errOutOfRange    = errors.New("a number out of range (1e-324 to 1e309); write it as a string")
)

// number returns the value of a decimal number, which must match
// [+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)? .
// Time and memory are linear in len(s), whatever the exponent.
func number[T string | []byte](s T) (cty.Value, error) {
	if v, ok := smallInt(s); ok {
		return v, nil
	}
	negative := s[0] == '-'
	if s[0] == '-' || s[0] == '+' {
		s = s[1:]
	}

	digits := make([]byte, 0, min(len(s), maxDigits)) // significant ones, no zeros around them
	zeros := 0                                        // since the last digit that is not zero
	exponent := 0                                     // of ten, of the last of digits
	point := false
	i := 0
mantissa:
	for ; i < len(s); i++ {
		switch c := s[i]; {
		case c == '.':
			point = true
			continue
		case c == '0' && len(digits) == 0:
		case c == '0':
			zeros++
		case c >= '1' && c <= '9':
			if len(digits)+zeros >= maxDigits {
				return cty.NilVal, errTooManyDigits
			}
			for ; zeros > 0; zeros-- {
				digits = append(digits, '0')
			}
			digits = append(digits, c)
		default:
			break mantissa
		}
		if point {
			exponent--
		}
	}
	if len(digits) == 0 {
		zero := new(big.Float).SetPrec(precision)
		if negative {
			zero.Neg(zero)
		}
		return cty.NumberVal(zero), nil
	}
	exponent += zeros + writtenExponent(s[i:])
	if first := exponent + len(digits) - 1; first > maxExponent || first < minExponent {
		return cty.NilVal, errOutOfRange
	}

	if negative {
		digits = append([]byte{'-'}, digits...)
	}
	digits = append(digits, 'e')
	digits = strconv.AppendInt(digits, int64(exponent), 10)
	return cty.ParseNumberVal(string(digits))
}

// smallInt is the quick way for what most numbers are.
func smallInt[T string | []byte](s T) (cty.Value, bool) {
	if len(s) > 18 {
		return cty.NilVal, false
	}
	var n int64
	for i := range len(s) {
		c := s[i]
		if c < '0' || c > '9' {
			if i == 0 && c == '-' && len(s) > 1 && s[1] != '0' {
				continue
			}
			return cty.NilVal, false
		}
		n = n*10 + int64(c-'0')
	}
	if s[0] == '-' {
		n = -n
	}
	return cty.NumberVal(new(big.Float).SetPrec(precision).SetInt64(n)), true
}

// writtenExponent reads "", "e5", "E-5"; beyond the range it stops counting.
func writtenExponent[T string | []byte](s T) int {
	if len(s) == 0 {
		return 0
	}
	s = s[1:]
	sign := 1
	if s[0] == '-' {
		sign = -1
	}
	if s[0] == '-' || s[0] == '+' {
		s = s[1:]
	}
	n := 0
	for i := 0; i < len(s) && n < 1<<40; i++ {
		n = n*10 + int(s[i]-'0')
	}
	return sign * n
}

// integer returns the value of digits in the given base, without sign or prefix.
func integer(digits string, base int) (cty.Value, error) {
	if len(digits) > precision/2 { // leading zeros included: enough for anything meant
		return cty.NilVal, errTooManyDigits
	}
	n, ok := new(big.Int).SetString(digits, base)
	if !ok {
		return cty.NilVal, errors.New("not a number")
	}
	if n.BitLen() > precision-16 {
		return cty.NilVal, errTooManyDigits
	}
	return cty.NumberVal(new(big.Float).SetPrec(precision).SetInt(n)), nil
}
