// Package typo tells of a misspelled name once: hcl says that the name is not supported and, where
// it was required, that it is missing too.
package typo

import (
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// Content is body.Content without the errors of required arguments that are there under a name
// for which hcl suggests theirs.
func Content(body hcl.Body, schema *hcl.BodySchema) (*hcl.BodyContent, hcl.Diagnostics) {
	content, diags := body.Content(schema)
	return content, slices.DeleteFunc(diags, func(d *hcl.Diagnostic) bool {
		return slices.ContainsFunc(schema.Attributes, func(a hcl.AttributeSchema) bool {
			return a.Required && content.Attributes[a.Name] == nil && saysMissing(d, a.Name) && Suggested(diags, a.Name)
		})
	})
}

// Suggested reports whether a diagnostic of hcl suggests a name.
func Suggested(diags hcl.Diagnostics, name string) bool {
	return slices.ContainsFunc(diags, func(d *hcl.Diagnostic) bool {
		return strings.HasSuffix(d.Detail, "Did you mean "+strconv.Quote(name)+"?")
	})
}

func saysMissing(d *hcl.Diagnostic, name string) bool {
	return strings.HasPrefix(d.Summary, "Missing ") && strings.Contains(d.Detail, strconv.Quote(name))
}
