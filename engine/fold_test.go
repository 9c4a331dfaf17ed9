//go:build unix

package engine_test

import (
	"fmt"
	"strings"
	"testing"

	"tidegate/engine"
)

// said counts the diagnostics that hold some words, and returns the last of them.
func said(text, words string) (n int, last string) {
	for _, line := range strings.Split(strings.ReplaceAll(text, "\n\n", " "), "\n") {
		if strings.Contains(line, words) {
			n, last = n+1, line
		}
	}
	return n, last
}

// What is wrong with all instances is said once, of the first of them; what is wrong otherwise, for itself.
func TestOneMistakeOfManyInstancesIsSaidOnce(t *testing.T) {
	const keys = `for_each = { for i in range(50) : format("k%02d", i) => i }` + "\n"
	sink := func(attrs string) string {
		return "sink \"file\" \"a\" {\n" + keys + "path = \"out-${each.key}\"\n" + attrs + "\n}\n"
	}
	for name, c := range map[string]struct {
		main, module string
		words, want  string
		times        int
	}{
		"an attribute that is not there": {
			main:  sink("content = each.value.port"),
			words: "Unsupported attribute", want: `This is about sink.file.a["k00"]. The same holds for 49 other instances.`, times: 1,
		},
		"a value of the kind's that is wrong": {
			main:  sink("content = \"\"\nmode = \"rw\""),
			words: "octal", want: `The same holds for 49 other instances.`, times: 1,
		},
		"one among many": {
			main:  sink("content = each.value == 7 ? file(\"none\") : \"\""),
			words: "none", want: `This is about sink.file.a["k07"].`, times: 1,
		},
		"of two sorts": {
			main:  sink("content = each.value < 20 ? file(\"one\") : file(\"two\")"),
			words: "no file exists", want: `The same holds for 29 other instances.`, times: 2,
		},
		"instances of a module": {
			main:   "module \"m\" {\nsource = \"./m\"\n" + keys + "name = each.key\n}\n",
			module: "variable \"name\" {}\nlocals { wrong = var.name.port }\nsink \"file\" \"a\" {\npath = \"out-${var.name}\"\ncontent = var.name\nmode = \"rw\"\n}\n",
			words:  "octal", want: `The same holds for 49 other instances.`, times: 1,
		},
		"locals of a module": {
			main:   "module \"m\" {\nsource = \"./m\"\n" + keys + "name = each.key\n}\n",
			module: "variable \"name\" {}\nlocals { wrong = var.name.port }\noutput \"o\" { value = local.wrong }\n",
			words:  "Unsupported attribute", want: `This is about module.m["k00"]. The same holds for 49 other instances.`, times: 1,
		},
		"one path": {
			main:  "sink \"file\" \"a\" {\n" + keys + "path = \"out\"\ncontent = \"\"\n}\n",
			words: "both write", want: `The same holds for 48 other instances.`, times: 1,
		},
		"a name that is not declared": {
			main:  sink("content = local.none"),
			words: "local.none is not declared", want: `49 other instances`, times: 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			files := []string{"main.hcl", c.main}
			if c.module != "" {
				files = append(files, "m/main.hcl", c.module)
			}
			m := newModule(t, files...)
			_, planned := m.plan()
			for command, text := range map[string]string{"validate": texts(m.validate()), "plan": texts(planned)} {
				if n, last := said(text, c.words); n != c.times || !strings.Contains(last, c.want) {
					t.Errorf("%s says it %d times, want %d, the last of them with %q:\n%s", command, n, c.times, c.want, text)
				}
			}
		})
	}
}

// What comes out only with data is said once by plan and apply, and so is a delivery that fails.
func TestOneMistakeOfManyInstancesInDataIsSaidOnce(t *testing.T) {
	m := newModule(t, "main.hcl", `
source "file" "services" { path = "services.json" }
sink "file" "app" {
  for_each = source.file.services.value
  path     = "app-${each.key}"
  content  = each.value.port
}
sink "exec" "run" {
  for_each = source.file.services.value
  command  = ["sh", "-c", "exit ${each.value.exit}"]
  retry { attempts = 1 }
}
`)
	var services []string
	for i := range 20 {
		services = append(services, fmt.Sprintf(`"k%02d":{"exit":%d}`, i, 3+i/10))
	}
	m.write("services.json", "{"+strings.Join(services, ",")+"}")
	_, _, diags := m.apply()
	text := texts(diags)
	if n, last := said(text, "Unsupported attribute"); n != 1 || !strings.Contains(last, `This is about sink.file.app["k00"]. The same holds for 19 other instances.`) {
		t.Errorf("%d times: %s", n, text)
	}
	n, last := said(text, "Delivery failed")
	if want := `sink.exec.run["k10"]: the program "sh" exited with status 4`; n != 2 || !strings.Contains(text, want) || !strings.Contains(last, "9 other instances") {
		t.Errorf("%d times: %s", n, text)
	}
	r := m.tool("plan", "--json")
	if n := strings.Count(r.stdout, "19 other instances"); n != 1 {
		t.Errorf("plan --json says it %d times: %s", n, r.stdout)
	}
}

func TestWatchOneMistakeOfManyInstancesIsSaidOnce(t *testing.T) {
	config := func(content string) string {
		return "sink \"file\" \"a\" {\n  for_each = { for i in range(50) : i => i }\n  path = \"out-${each.key}\"\n  content = " + content + "\n}\n"
	}
	m := newModule(t, "main.hcl", config(`"x"`))
	log := &logText{}
	d := m.watch(log.option)
	d.awaitFile("out-7", "x")
	m.write("main.hcl", config("each.value.port"))
	if err := d.Reload(t.Context()); err == nil || strings.Count(err.Error(), "main.hcl") != 1 || !strings.Contains(err.Error(), "49 other instances") || strings.Contains(err.Error(), "more)") {
		t.Errorf("the reload says %v", err)
	}
	if n := len(events[engine.Reloaded](d)); n != 1 || log.count("49 other instances") != 1 {
		t.Errorf("%d reloads, and the log says %d times that others are wrong", n, log.count("49 other instances"))
	}
}
