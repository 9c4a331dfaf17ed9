// Package all is the list of the built-in kinds. A new kind is one new folder and one line
// here; nothing registers itself.
package all

import (
	"tidegate/providers"
	"tidegate/providers/detector/etag"
	"tidegate/providers/detector/hash"
	"tidegate/providers/detector/watch"
	"tidegate/providers/detector/webhook"
	"tidegate/providers/ratelimit/slidingwindow"
	"tidegate/providers/ratelimit/tokenbucket"
	"tidegate/providers/rule/assert"
	"tidegate/providers/rule/schema"
	sinkexec "tidegate/providers/sink/exec"
	sinkfile "tidegate/providers/sink/file"
	sinkhttp "tidegate/providers/sink/http"
	"tidegate/providers/source/env"
	sourceexec "tidegate/providers/source/exec"
	sourcefile "tidegate/providers/source/file"
	sourcehttp "tidegate/providers/source/http"
	"tidegate/providers/source/static"
	sourcewebhook "tidegate/providers/source/webhook"
)

// Kinds returns the built-in kinds.
func Kinds() []*providers.Kind {
	return []*providers.Kind{
		sourcehttp.Kind(),
		sourcefile.Kind(),
		sourceexec.Kind(),
		env.Kind(),
		static.Kind(),
		sourcewebhook.Kind(),

		etag.Kind(),
		hash.Kind(),
		watch.Kind(),
		webhook.Kind(),

		assert.Kind(),
		schema.Kind(),

		slidingwindow.Kind(),
		tokenbucket.Kind(),

		sinkfile.Kind(),
		sinkexec.Kind(),
		sinkhttp.Kind(),
	}
}
