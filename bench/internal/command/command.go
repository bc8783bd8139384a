// Package command is the program's command line: flags, one run of the experiments, and where the report
// goes. It reads no environment and no standard stream but those it is given.
package command

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pandakit/panda/bench/internal/fleet"
	"github.com/pandakit/panda/bench/internal/measure"
	"github.com/pandakit/panda/bench/internal/report"
	"github.com/pandakit/panda/bench/internal/updates"
)

// Env is what the program takes from its process.
type Env struct {
	Args           []string // without the program's name
	Environ        []string
	Stdout, Stderr io.Writer
}

// modulePath names the module whose stacks are built.
const modulePath = "github.com/pandakit/panda/bench"

// The experiments.
const (
	partRounds   = "rounds"
	partStartUps = "startup"
	partSlow     = "slow"
	partUpdates  = "updates"
	partVariants = "variants" // not part of a run unless asked for
)

// The experiment with many instances.
const (
	manyInstances = 1000
	manyUpdates   = 50
)

type options struct {
	config measure.Config
	parts  []string
	stacks []string // empty for all
	out    string
}

// Main runs the program and returns its exit code: 0 done, 1 failed, 2 wrong usage.
func Main(ctx context.Context, env Env) int {
	o, err := parse(env)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintln(env.Stderr, "bench:", err)
		return 2
	}
	if err := run(ctx, env, o); err != nil {
		fmt.Fprintln(env.Stderr, "bench:", err)
		return 1
	}
	return 0
}

func parse(env Env) (options, error) {
	o := options{config: measure.Config{}}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(env.Stderr)
	callers := flags.String("callers", "1,16,64,256", "numbers of callers, comma separated")
	parts := flags.String("parts", strings.Join([]string{partRounds, partStartUps, partSlow, partUpdates}, ","),
		"experiments, comma separated; also: "+partVariants)
	stacks := flags.String("stacks", "", "stacks whose name has one of these in it, comma separated; all when empty")
	flags.IntVar(&o.config.Rounds, "rounds", 10, "rounds over all stacks and numbers of callers")
	flags.DurationVar(&o.config.Window, "window", 400*time.Millisecond, "load for one sample")
	flags.DurationVar(&o.config.Warm, "warm", 100*time.Millisecond, "load before each sample")
	flags.IntVar(&o.config.StartUps, "startups", 7, "how often each stack is started")
	flags.IntVar(&o.config.SlowRounds, "slow-rounds", 7, "rounds with a slow instance")
	flags.StringVar(&o.out, "out", "", "also write the report into this README, between its marks")
	if err := flags.Parse(env.Args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("argument %q: none is taken", flags.Arg(0))
	}
	for text := range strings.SplitSeq(*callers, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 10_000 {
			return o, fmt.Errorf("-callers: %q is not a number from 1 to 10000", text)
		}
		o.config.Callers = append(o.config.Callers, n)
	}
	o.parts = list(*parts)
	o.stacks = list(*stacks)
	return o, validate(o)
}

func list(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' })
}

func validate(o options) error {
	known := []string{partRounds, partStartUps, partSlow, partUpdates, partVariants}
	for _, part := range o.parts {
		if !slices.Contains(known, part) {
			return fmt.Errorf("-parts: unknown experiment %q; known: %s", part, strings.Join(known, ", "))
		}
	}
	c := o.config
	if c.Rounds < 1 || c.StartUps < 1 || c.SlowRounds < 1 {
		return errors.New("-rounds, -startups and -slow-rounds: want 1 or more")
	}
	if c.Window <= 0 || c.Window > time.Minute || c.Warm <= 0 || c.Warm > time.Minute {
		return errors.New("-window and -warm: want over 0 and at most 1m")
	}
	return nil
}

// run measures and reports. Nothing that it started is left when it returns.
func run(ctx context.Context, env Env, o options) error {
	began := time.Now()
	dir, err := moduleDir(ctx)
	if err != nil {
		return err
	}
	out, err := os.MkdirTemp("", "panda-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(out) }() // binaries that no one needs
	members := fleet.New(environment(env.Environ))
	defer members.Close()
	lab := &measure.Lab{Config: o.config, Dir: dir, Out: out, Fleet: members, Progress: env.Stderr}
	results, err := experiments(ctx, lab, o)
	if err != nil {
		return err
	}
	results.Took = time.Since(began)
	text := report.Markdown(results)
	if _, err := io.WriteString(env.Stdout, text); err != nil {
		return err
	}
	if o.out != "" {
		return report.Update(o.out, "results", text)
	}
	return nil
}

func experiments(ctx context.Context, lab *measure.Lab, o options) (report.Results, error) {
	results := report.Results{Machine: measure.ThisMachine(), Config: o.config}
	stacks := choose(measure.Stacks(), o.stacks)
	steps := []struct {
		part string
		run  func() error
	}{
		{partRounds, func() (err error) { results.Rounds, err = compare(ctx, lab, stacks); return err }},
		{partVariants, func() (err error) {
			results.Variants, err = compare(ctx, lab, choose(measure.Variants(), o.stacks))
			return err
		}},
		{partStartUps, func() (err error) { results.StartUps, err = startUps(ctx, lab, stacks); return err }},
		{partSlow, func() (err error) { results.Slow, err = slow(ctx, lab, o.stacks); return err }},
		{partUpdates, func() (err error) {
			results.Updates, err = updates.Measure(ctx, manyInstances, manyUpdates)
			return err
		}},
	}
	for _, step := range steps {
		if !slices.Contains(o.parts, step.part) {
			continue
		}
		if err := step.run(); err != nil {
			if ctx.Err() != nil {
				return results, errors.New("interrupted")
			}
			return results, err
		}
	}
	return results, nil
}

func compare(ctx context.Context, lab *measure.Lab, stacks []measure.Stack) (*measure.Rounds, error) {
	if err := lab.Build(ctx, stacks); err != nil {
		return nil, err
	}
	return lab.Compare(ctx, stacks)
}

func startUps(ctx context.Context, lab *measure.Lab, stacks []measure.Stack) ([]measure.StartUp, error) {
	// The baseline starts the second time as it does the first, and before its first call nothing is collected.
	stacks = slices.DeleteFunc(slices.Clone(stacks), func(s measure.Stack) bool {
		return s.Name == measure.NameRawAgain || len(s.Env) > 0
	})
	if err := lab.Build(ctx, stacks); err != nil {
		return nil, err
	}
	return lab.StartUps(ctx, stacks)
}

func slow(ctx context.Context, lab *measure.Lab, only []string) ([]measure.Slow, error) {
	policies := slices.DeleteFunc(measure.Policies(), func(p measure.Policy) bool {
		return len(choose([]measure.Stack{p.Stack}, only)) == 0
	})
	stacks := make([]measure.Stack, len(policies))
	for i, policy := range policies {
		stacks[i] = policy.Stack
	}
	if err := lab.Build(ctx, stacks); err != nil {
		return nil, err
	}
	return lab.Slow(ctx, policies)
}

// choose keeps the stacks that have one of the words in their name, all when there are no words, and the
// baseline always.
func choose(stacks []measure.Stack, words []string) []measure.Stack {
	if len(words) == 0 {
		return stacks
	}
	return slices.DeleteFunc(slices.Clone(stacks), func(s measure.Stack) bool {
		return s.Name != measure.NameRaw && !slices.ContainsFunc(words, func(word string) bool {
			return strings.Contains(strings.ToLower(s.Name), strings.ToLower(word))
		})
	})
}

// environment leaves out what would steer Panda, or the collector, from outside the measurement.
func environment(environ []string) []string {
	return slices.DeleteFunc(slices.Clone(environ), func(variable string) bool {
		return slices.ContainsFunc([]string{"PANDA_", "CONSUL_", "GOGC=", "GOMEMLIMIT="}, func(prefix string) bool {
			return strings.HasPrefix(variable, prefix)
		})
	})
}

// moduleDir returns where this module's source is; the program must be run inside it.
func moduleDir(ctx context.Context) (string, error) {
	output, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Path}} {{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	path, dir, _ := strings.Cut(strings.TrimSpace(string(output)), " ")
	if path != modulePath {
		return "", fmt.Errorf("run in the folder of module %s, not of %s", modulePath, path)
	}
	return dir, nil
}
