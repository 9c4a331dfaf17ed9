package hclspec

import (
	"errors"
	"math/big"
	"net"
	"regexp"
	"strings"

	gocidr "github.com/apparentlymart/go-cidr/cidr"
	"github.com/hashicorp/go-cty-funcs/cidr"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/gocty"
)

// leadingZeros are those of a part of an IPv4 address.
var leadingZeros = regexp.MustCompile(`(^|\.)0+([0-9])`)

// prefixText is an address and the length of its prefix, as package net takes it. A part with
// leading zeros is a decimal number, as it is to Terraform.
func prefixText(s string) string {
	address, length, ok := strings.Cut(s, "/")
	if !ok || strings.Contains(address, ":") {
		return s
	}
	return leadingZeros.ReplaceAllString(address, "$1$2") + "/" + length
}

// ofPrefix is a function whose first argument is a prefix.
func ofPrefix(f function.Function, description string) function.Function {
	return function.New(&function.Spec{
		Description: description,
		Params:      f.Params(),
		VarParam:    f.VarParam(),
		Type:        f.ReturnTypeForValues,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			args[0] = cty.StringVal(prefixText(args[0].AsString()))
			return f.Call(args)
		},
	})
}

var cidrHostFunc = ofPrefix(cidr.HostFunc,
	"The address of the host with the given number within an IP prefix; a negative number counts from the end.")

var cidrSubnetsFunc = ofPrefix(cidr.SubnetsFunc,
	"Subnets one after the other within an IP prefix, each longer by as many bits.")

// cidrNetmaskFunc refuses IPv6, which has no notation for netmasks.
var cidrNetmaskFunc = stringFunc("The netmask of an IPv4 prefix in dotted notation.", []string{"prefix"},
	func(args []string) (string, error) {
		ip, network, err := net.ParseCIDR(prefixText(args[0]))
		switch {
		case err != nil:
			return "", function.NewArgErrorf(0, "%s", err)
		case ip.To4() == nil:
			return "", errors.New("IPv6 addresses cannot have a netmask")
		}
		return net.IP(network.Mask).String(), nil
	})

// cidrSubnetFunc goes beyond 32 more bits, where go-cty-funcs stops.
var cidrSubnetFunc = function.New(&function.Spec{
	Description: "The subnet with the given number within an IP prefix, longer by the given bits.",
	Params: []function.Parameter{
		{Name: "prefix", Type: cty.String}, {Name: "newbits", Type: cty.Number}, {Name: "netnum", Type: cty.Number},
	},
	Type:         function.StaticReturnType(cty.String),
	RefineResult: refineNotNull,
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		var bits int
		if err := gocty.FromCtyValue(args[1], &bits); err != nil {
			return cty.NilVal, function.NewArgError(1, err)
		}
		number, accuracy := args[2].AsBigFloat().Int(nil)
		if number == nil || accuracy != big.Exact {
			return cty.NilVal, function.NewArgErrorf(2, "a whole number is needed")
		}
		_, network, err := net.ParseCIDR(prefixText(args[0].AsString()))
		if err != nil {
			return cty.NilVal, function.NewArgErrorf(0, "%s", err)
		}
		subnet, err := gocidr.SubnetBig(network, bits, number)
		if err != nil {
			return cty.NilVal, err
		}
		return cty.StringVal(subnet.String()), nil
	},
})
