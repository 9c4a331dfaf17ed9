// Command tidegate keeps running systems in step with configuration that lives somewhere else.
package main

import (
	"tidegate/engine/cli"
	"tidegate/providers/all"
)

func main() { cli.Main(all.Kinds()) }
