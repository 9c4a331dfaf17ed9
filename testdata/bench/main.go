// Command bench runs tidegate, Terraform and (where TOFU names a binary) OpenTofu on the same
// N documents and prints wall time, processor time and peak memory of a first apply, a no-op
// plan and a no-op apply, each as a ratio to tidegate's in the same run.
//
//	go run ./testdata/bench -n 1000
//
// TERRAFORM names the terraform binary, default "terraform" on the PATH; a peer that is not
// there is left out and said so.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"tidegate/testdata/bench/pairs"
)

func main() {
	n := flag.Int("n", 1000, "number of pairs")
	runs := flag.Int("runs", 3, "runs of each plan; the median counts")
	flag.Parse()
	if err := run(*n, *runs); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// tool is one program and its commands.
type tool struct {
	name     string
	binary   string
	generate func(dir string, n int) error
	setup    []string
	apply    []string
	plan     []string
}

type measure struct {
	wall, cpu time.Duration
	peak      int64 // KiB
}

func run(n, runs int) error {
	work, err := os.MkdirTemp("", "tidegate-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	own := filepath.Join(work, "tidegate")
	build := exec.Command("go", "build", "-o", own, ".")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("build tidegate (run this from the root of the module): %w", err)
	}
	tools := []tool{{
		name: "tidegate", binary: own, generate: pairs.Generate,
		apply: []string{"apply", "--auto-approve"}, plan: []string{"plan"},
	}}
	for _, peer := range []struct{ name, env, fallback string }{{"terraform", "TERRAFORM", "terraform"}, {"opentofu", "TOFU", ""}} {
		path := os.Getenv(peer.env)
		if path == "" {
			path = peer.fallback
		}
		found, err := exec.LookPath(path)
		if err != nil {
			fmt.Printf("%s: not found (set %s to its binary); left out\n", peer.name, peer.env)
			continue
		}
		tools = append(tools, tool{
			name: peer.name, binary: found, generate: pairs.Terraform,
			setup: []string{"init", "-input=false", "-no-color"},
			apply: []string{"apply", "-auto-approve", "-input=false", "-no-color"}, plan: []string{"plan", "-input=false", "-no-color"},
		})
	}
	results := map[string][]measure{}
	jobs := []string{"first apply", "no-op plan", "no-op apply"}
	for _, t := range tools {
		m, err := t.run(filepath.Join(work, t.name+"-module"), n, runs)
		if err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
		results[t.name] = m
	}
	fmt.Printf("%d pairs, median of %d plans\n%-12s %-12s %10s %10s %10s %8s\n", n, runs, "job", "tool", "wall", "cpu", "peak MiB", "ratio")
	for i, job := range jobs {
		base := results["tidegate"][i].wall
		for _, t := range tools {
			m := results[t.name][i]
			fmt.Printf("%-12s %-12s %10s %10s %10d %8.2f\n", job, t.name, m.wall.Round(time.Millisecond), m.cpu.Round(time.Millisecond), m.peak/1024, float64(m.wall)/float64(base))
		}
	}
	return nil
}

func (t tool) run(dir string, n, runs int) ([]measure, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	if err := t.generate(dir, n); err != nil {
		return nil, err
	}
	if t.setup != nil {
		if _, err := t.exec(dir, t.setup); err != nil {
			return nil, err
		}
	}
	first, err := t.exec(dir, t.apply)
	if err != nil {
		return nil, err
	}
	plan, err := t.median(dir, t.plan, runs)
	if err != nil {
		return nil, err
	}
	again, err := t.median(dir, t.apply, runs)
	if err != nil {
		return nil, err
	}
	return []measure{first, plan, again}, nil
}

func (t tool) median(dir string, args []string, runs int) (measure, error) {
	var all []measure
	for range runs {
		m, err := t.exec(dir, args)
		if err != nil {
			return m, err
		}
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b measure) int { return int(a.wall - b.wall) })
	return all[len(all)/2], nil
}

func (t tool) exec(dir string, args []string) (measure, error) {
	cmd := exec.Command(t.binary, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CHECKPOINT_DISABLE=1")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	start := time.Now()
	err := cmd.Run()
	m := measure{wall: time.Since(start)}
	if cmd.ProcessState != nil {
		m.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
			m.peak = usage.Maxrss
		}
	}
	if err != nil {
		tail := out.Bytes()
		return m, fmt.Errorf("%v: %w: %s", args, err, tail[max(0, len(tail)-1000):])
	}
	return m, nil
}
