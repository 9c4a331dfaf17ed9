package cli_test

import (
	"flag"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"tidegate/engine/cli"
	"tidegate/providers/all"
)

var update = flag.Bool("update", false, "write the expected output of the scripts anew")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"tidegate": func() { cli.Main(all.Kinds()) },
	})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "../../testdata/script",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds:                commands,
	})
}
