package cli

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// normalise turns Terraform's single dash of long flags into two: -out=F, -auto-approve,
// -var k=v. The only short flag is -h. takesValue knows the flags whose value may be the
// next argument, which is then left as it is.
func normalise(args []string, takesValue map[string]bool) []string {
	out := make([]string, 0, len(args))
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "--" {
			return append(out, args[i:]...)
		}
		if len(arg) > 2 && arg[0] == '-' && arg[1] != '-' && letter(arg[1]) {
			arg = "-" + arg
		}
		out = append(out, arg)
		if strings.HasPrefix(arg, "--") && takesValue[arg[2:]] && i+1 < len(args) {
			i++
			out = append(out, args[i])
		}
	}
	return out
}

func letter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// takesValue returns the names of all flags of all commands that are not switches.
func takesValue(root *cobra.Command) map[string]bool {
	out := map[string]bool{}
	add := func(f *pflag.Flag) {
		if f.NoOptDefVal == "" {
			out[f.Name] = true
		}
	}
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		c.Flags().VisitAll(add)
		c.PersistentFlags().VisitAll(add)
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(root)
	return out
}

// wantsJSON looks for --json and --format json where flags could not be parsed.
func wantsJSON(args []string) bool {
	for i, arg := range args {
		switch arg {
		case "--":
			return false
		case "--json", "--json=true", "--json=1", "--format=json":
			return true
		case "--format":
			if i+1 < len(args) && args[i+1] == formatJSON {
				return true
			}
		}
	}
	return false
}
