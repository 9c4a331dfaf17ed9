package decode

import (
	"strings"
	"testing"
)

// Formats whose values are texts, and hcl. An "err:" is what the error has to say.
func TestDecodeFlatFormats(t *testing.T) {
	for _, c := range []struct {
		format   Format
		in, want string
	}{
		{Env, "", `{}`},
		{Env, "\n# nothing\n  \n", `{}`},
		{Env, "A=1\nexport B=two # comment\nC = x y \nD=\nE=#\nF=a#b\n", `{"A":"1","B":"two","C":"x y","D":"","E":"","F":"a#b"}`},
		{Env, "A='x # $HOME \\n'\nB=\"a\\nb\\t\\\\\\\"\\$X\" # c\nC='a\nb'\r\nD=\"a\nb\"\r\n", `{"A":"x # $HOME \\n","B":"a\nb\t\\\"$X","C":"a\nb","D":"a\nb"}`},
		{Env, "A=$HOME\nB=${X}\nC=it's\nD=C:\\dir\nexport=1", `{"A":"$HOME","B":"${X}","C":"it's","D":"C:\\dir","export":"1"}`},
		{Env, "A=\xc3\xa9", `{"A":"é"}`},
		{Env, "A=1\nA=2", "err:line 2, column 1: duplicate key \"A\""},
		{Env, "A", "err:line 1, column 2: an equals sign was expected"},
		{Env, "\n1A=x", "err:line 2, column 1: a name was expected"},
		{Env, "A-B=x", "err:an equals sign was expected"},
		{Env, "=x", "err:a name was expected"},
		{Env, "A='hunter2", "err:line 1, column 3: a single quote without its end"},
		{Env, "A=\"hunter2\\\"", "err:line 1, column 3: a double quote without its end"},
		{Env, "A=\"hunter2\\", "err:a double quote without its end"},
		{Env, "A=\"\\hunter2\"", "err:line 1, column 4: an unknown escape"},
		{Env, "A='hunter2' x", "err:line 1, column 13: more after the closing quote"},
		{Env, "A='hunter2'x", "err:more after the closing quote"},
		{Env, "A=`hunter2`", "err:backticks"},
		{Env, "A=hunter2\x00", "err:control character"},
		{Env, "A=hunter2\rB=1", "err:control character"},
		{Env, "export A B=1", "err:an equals sign"},

		{Properties, "", `{}`},
		{Properties, "# c\n! c\n\n  \t\n", `{}`},
		{Properties, "a=1\nb : 2\nc 3\nd\ne=\n f = x = y \n", `{"a":"1","b":"2","c":"3","d":"","e":"","f":"x = y "}`},
		{Properties, "a.b=x\r\nc=1\rd=2", `{"a.b":"x","c":"1","d":"2"}`},
		{Properties, "a = x\\\n    y\\\r\n\tz\nb=\\\\\nc=1\\\\\\\n2", `{"a":"xyz","b":"\\","c":"1\\2"}`},
		{Properties, `a\ b\:\==\u00e9\ud83d\ude00\t\n\r\f\q\\`, `{"a b:=":"é😀\t\n\r\fq\\"}`},
		{Properties, "a=\\\n#b", `{"a":"#b"}`},
		{Properties, "a=x\\", `{"a":"x"}`},
		{Properties, "a==x\nb=:x", `{"a":"=x","b":":x"}`},
		{Properties, "a=1\na:2", "err:line 2, column 1: duplicate key \"a\""},
		{Properties, "=hunter2", "err:line 1, column 1: a key was expected"},
		{Properties, "a=hunter2\\u12", `err:line 1, column 10: \u needs four`},
		{Properties, "a=x\\\n  hunter2\\u12zz", `err:line 2, column 10: \u needs four`},
		{Properties, `a=\ud800`, "err:half of a surrogate pair"},
		{Properties, `a=\ude00\ud83d`, "err:half of a surrogate pair"},

		{INI, "", `{}`},
		{INI, "; c\n# c\n\n  ; c\ntop = 1\n[s]\na=x ; y\nb = \"  x\\n\\\"\"  \nc=\nd = a = b\n[t.u v]\n[ w ]\n", `{"s":{"a":"x ; y","b":"  x\n\"","c":"","d":"a = b"},"t.u v":{},"top":"1","w":{}}`},
		{INI, "a=C:\\new\r\nb='x'\r\n", `{"a":"C:\\new","b":"'x'"}`},
		{INI, "[s]\na=1\na=2", "err:line 3, column 1: duplicate key \"a\""},
		{INI, "[s]\n[t]\n[s]\n", "err:line 3, column 1: duplicate section \"s\""},
		{INI, "s=1\n[s]\n", "err:duplicate key \"s\""},
		{INI, "[s\n", "err:closing bracket"},
		{INI, "[]\n", "err:without a name"},
		{INI, "[s] ; c\n", "err:line 1, column 4: more after the name of a section"},
		{INI, "hunter2\n", "err:an equals sign was expected"},
		{INI, "=hunter2\n", "err:a key was expected"},
		{INI, "a=x\n  b=hunter2\n", "err:line 2, column 1: an indented line"},
		{INI, "a=\"hunter2", "err:line 1, column 3: a double quote without its end"},
		{INI, "a=\"hunter2\" x", "err:more after the closing quote"},
		{INI, `a="C:\hunter2"`, "err:line 1, column 6: an unknown escape"},
		{INI, "a=hunter2\x00", "err:control character"},

		{CSV, "", `[]`},
		{CSV, "a,b\n", `[]`},
		{CSV, "a,b\r\n1,\"x, \"\"y\"\"\r\nz\"\r\n3,\n", `[{"a":"1","b":"x, \"y\"\nz"},{"a":"3","b":""}]`},
		{CSV, "a\n\n1\n\"\"\n", `[{"a":"1"},{"a":""}]`},
		{CSV, "a,a\n1,2\n", "err:line 1, column 3: duplicate key \"a\""},
		{CSV, "a,\n1,2\n", "err:a column without a name"},
		{CSV, "a,b\nhunter2\n", "err:line 2, column 1: this line has more or fewer fields"},
		{CSV, "a\nhun\"ter2\n", "err:a quote within a field"},
		{CSV, "a\n\"hunter2\n", "err:a quoted field that does not end"},
		{CSV, "a\n\"hunter2\"x\n", "err:a quoted field that does not end"},

		{HCL, "", `{}`},
		{HCL, "a = 1\nb = \"x\"\nc = [true, null, -2.50, {d = 1, \"e f\" : 2, 3 = 4}]\n", `{"a":1,"b":"x","c":[true,null,-2.5,{"3":4,"d":1,"e f":2}]}`},
		{HCL, "s \"x\" \"y\" {\n  a = 1\n}\ns \"x\" \"z\" {}\ns \"x\" \"z\" {\n  t {}\n}\n", `{"s":{"x":{"y":[{"a":1}],"z":[{},{"t":[{}]}]}}}`},
		{HCL, "a = 9007199254740993\nb = 12345678901234567890.123456789\nc = (1)\n", `{"a":9007199254740993,"b":12345678901234567890.123456789,"c":1}`},
		{HCL, "a = <<-EOT\n  x\n   y\n  EOT\nb = \"$${x} %%{y} \\u00e9\"\nc = \"\"\n", `{"a":"x\n y\n","b":"${x} %{y} é","c":""}`},
		{HCL, "a = 1\na = 2\n", "err:line 2"},
		{HCL, "a = {b = 1, b = 2}\n", "err:line 1, column 13: duplicate key \"b\""},
		{HCL, "a = 1\na {}\n", "err:\"a\" is an attribute and a block"},
		{HCL, "a \"b\" {}\na {}\n", "err:line 2, column 1: this block has fewer labels"},
		{HCL, "a {}\na \"b\" {}\n", "err:line 2, column 1: this block has more labels"},
		{HCL, "a = b\n", "err:line 1, column 5: this has to be computed"},
		{HCL, "a = upper(\"hunter2\")\n", "err:computed"},
		{HCL, "a = \"x${1}\"\n", "err:computed"},
		{HCL, "a = 1 + 1\n", "err:computed"},
		{HCL, "a = [for x in [1] : x]\n", "err:computed"},
		{HCL, "a = {(b) = 1}\n", "err:a key has to be"},
		{HCL, "a = \"hunter2\n", "err:line 1"},
		{HCL, "a = \"\\hunter2\"\n", "err:line 1"},
		{HCL, "a = 1e400\n", "err:out of range"},
		{HCL, "a = " + strings.Repeat("[", 150_000), "err:at most 200 deep"},
		{HCL, strings.Repeat("a {", 150_000), "err:at most 200 deep"},
		{HCL, strings.Repeat("#", maxHCLBytes+1), "err:the most that is read of HCL"},
	} {
		got := ""
		v, err := Decode(c.format, []byte(c.in), Limits{})
		if err == nil {
			got = toJSON(t, v)
		}
		want, failed := strings.CutPrefix(c.want, "err:")
		switch {
		case failed && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s %.80q = %s, %v; want an error with %q", c.format, c.in, got, err, want)
		case !failed && (err != nil || got != want):
			t.Errorf("%s %.80q = %s, %v; want %s", c.format, c.in, got, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s %.80q: the error quotes a value: %v", c.format, c.in, err)
		}
	}
}

func TestFlatFormatsKeepToLimits(t *testing.T) {
	for _, c := range []struct {
		format Format
		in     string
		limits Limits
	}{
		{Env, "A=1\nB=2\n", Limits{MaxNodes: 2}},
		{Properties, "a=1\nb=2\n", Limits{MaxNodes: 2}},
		{INI, "[a]\nb=1\n", Limits{MaxNodes: 2}},
		{CSV, "a,b\n1,2\n", Limits{MaxNodes: 3}},
		{HCL, "a = [1, 2]\n", Limits{MaxNodes: 2}},
		{HCL, "a = [[1]]\n", Limits{MaxDepth: 2}},
		{HCL, "a {\n  b {}\n}\n", Limits{MaxDepth: 3}},
		{Env, "A=1234567\n", Limits{MaxBytes: 8}},
	} {
		if _, err := Decode(c.format, []byte(c.in), c.limits); err == nil {
			t.Errorf("%s %q passes %+v", c.format, c.in, c.limits)
		}
	}
}
