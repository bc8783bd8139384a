// Package gen is "panda gen": from .proto files to generated code. It combines what panda.yaml says with finding,
// compiling and generating, which internal/protobuild does, and is where other commands get the same in one call.
// It never decides what code looks like: that is the plugins'.
package gen

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/pandakit/panda/internal/cli/command"
	"github.com/pandakit/panda/internal/protobuild"
	"github.com/pandakit/panda/internal/protobuild/generate"
)

const long = `Generate code from the .proto files at and below each PATH, the current folder by default.

The files are compiled by panda itself: no protoc is needed. Go code is made by the plugins
that go.mod pins as tools, protoc-gen-go and protoc-gen-go-grpc; --pin adds them. It goes
where go_package says, if that is a folder of the module, and beside the .proto file
otherwise, whatever go_package says: the import path is worked out from go.mod.

Imports are named from a folder "proto" if there is one, else from the module's folder, or
from where the files' own imports show. google/protobuf, google/api, google/rpc, google/type,
google/longrunning and buf/validate come with panda.

panda.yaml can say otherwise:

  proto:
    roots: [proto]                  # what imports are named from
    exclude: [proto/old]
    generate:                       # default: go and go-grpc
      - plugin: go
      - plugin: go-grpc
      - {plugin: es, out: web/gen, options: [target=ts]}   # npm's @bufbuild/protoc-gen-es
      - {plugin: python, out: client}                      # made by protoc, if it is installed

A plugin is a tool of go.mod, or protoc-gen-NAME in node_modules/.bin or on PATH, or a path.

Exit codes: 0 done, 1 failed, 2 wrong usage or panda.yaml, 3 --check found stale files.`

const example = `  panda gen                                # all modules below the current folder
  panda gen --pin                          # and add the plugins to go.mod if they are missing
  panda gen --check                        # in CI: is the generated code up to date?
  panda gen --plugin es=target=ts --out web/gen ./proto`

// New returns the command.
func New(env *command.Env) *cobra.Command {
	var o Options
	var asJSON, verbose bool
	cmd := &cobra.Command{
		Use:     "gen [PATH…]",
		Short:   "Generate code from .proto files",
		Long:    long,
		Example: example,
		RunE: func(cmd *cobra.Command, args []string) error {
			return run(cmd.Context(), env, o, asJSON, verbose, args)
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return []string{"proto"}, cobra.ShellCompDirectiveFilterFileExt
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&o.Check, "check", false, "write nothing, list stale files, and exit with 3 if there are any")
	flags.BoolVar(&o.Pin, "pin", false, "add the plugins for Go to go.mod if they are missing")
	flags.StringArrayVar(&o.Plugins, "plugin", nil, "run this plugin instead of panda.yaml's, as `NAME[=OPTION,…]` (repeatable)")
	flags.StringVar(&o.Out, "out", "", "write below this `folder`")
	flags.DurationVar(&o.Timeout, "timeout", generate.DefaultTimeout, "end a plugin that takes longer")
	flags.BoolVar(&asJSON, "json", false, "print the files as JSON")
	flags.BoolVarP(&verbose, "verbose", "v", false, "tell what a go_package was taken to mean also when nothing is written")
	return cmd
}

func run(ctx context.Context, env *command.Env, o Options, asJSON, verbose bool, paths []string) error {
	if o.Timeout < time.Millisecond {
		return command.Usagef("--timeout %v: want a duration above 0", o.Timeout)
	}
	if o.Check && o.Pin {
		return command.Usagef("--check and --pin: one writes nothing, the other go.mod; give one of them")
	}
	projects, err := Projects(env, paths...)
	if err != nil {
		if _, none := errors.AsType[*protobuild.NoFilesError](err); none {
			err = command.Advise(err, "give the folder that has them: panda gen ./folder")
		}
		return err
	}
	result, err := Run(ctx, env, projects, o)
	if asJSON {
		return printJSON(env, o, result, err)
	}
	for _, pinned := range result.Pinned {
		fmt.Fprintln(env.Stdout, "go.mod has the tool", pinned)
	}
	if wrong, ok := errors.AsType[*ProblemsError](err); ok {
		wrong.Write(env)
	}
	if err != nil {
		return err
	}
	return tell(env, o, result, verbose)
}

// tell says what was done. What was decided on the way is news when files were written, and when it is asked for.
func tell(env *command.Env, o Options, result Result, verbose bool) error {
	for _, w := range result.Warnings {
		w.Message = "warning: " + w.Message
		fmt.Fprintln(env.Stderr, w.told(env))
	}
	if verbose || result.Changed() > 0 && !o.Check {
		for _, note := range result.Notes {
			fmt.Fprintln(env.Stderr, "note: "+note)
		}
	}
	verb := "wrote"
	if o.Check {
		verb = "stale"
	}
	for _, f := range result.Files {
		if f.Changed {
			fmt.Fprintln(env.Stdout, verb, filepath.ToSlash(Shown(env, f.Path)))
		}
	}
	if result.Changed() == 0 {
		fmt.Fprintf(env.Stdout, "up to date: %s from %s\n", command.Count(len(result.Files), "file"), command.Count(result.Sources, ".proto file"))
	}
	return stale(o, result)
}

// stale is the error of a check that found something.
func stale(o Options, result Result) error {
	n := result.Changed()
	if !o.Check || n == 0 {
		return nil
	}
	text := "generated files are stale"
	if n == 1 {
		text = "generated file is stale"
	}
	return command.Advise(command.Findings(fmt.Errorf("%d %s", n, text)), "bring them up to date: panda gen")
}

// The shape of --json.
type (
	listing struct {
		Files    []listedFile    `json:"files"`
		Pinned   []string        `json:"pinned"`
		Notes    []string        `json:"notes"`
		Problems []listedProblem `json:"problems"`
	}
	listedFile struct {
		Path  string `json:"path"`
		State string `json:"state"` // written, stale or current
	}
	listedProblem struct {
		File     string `json:"file"`
		Line     int    `json:"line"`   // 0 when the whole file is meant
		Column   int    `json:"column"` // 0 when the whole file is meant
		Severity string `json:"severity"`
		Message  string `json:"message"`
	}
)

// printJSON prints what was done, and what is wrong with the .proto files if that is why nothing was.
func printJSON(env *command.Env, o Options, result Result, err error) error {
	wrong, ok := errors.AsType[*ProblemsError](err)
	if err != nil && !ok {
		return err
	}
	list := listing{
		Files: []listedFile{}, Problems: []listedProblem{},
		Pinned: append([]string{}, result.Pinned...), Notes: append([]string{}, result.Notes...),
	}
	for _, f := range result.Files {
		state := "current"
		switch {
		case f.Changed && o.Check:
			state = "stale"
		case f.Changed:
			state = "written"
		}
		list.Files = append(list.Files, listedFile{filepath.ToSlash(Shown(env, f.Path)), state})
	}
	if ok {
		list.add(env, "error", wrong.Problems)
	}
	list.add(env, "warning", result.Warnings)
	if printing := env.PrintJSON(list); printing != nil {
		return printing
	}
	if err != nil {
		return err
	}
	return stale(o, result)
}

func (l *listing) add(env *command.Env, severity string, problems []Problem) {
	for _, p := range problems {
		l.Problems = append(l.Problems, listedProblem{filepath.ToSlash(Shown(env, p.Path)), p.Line, p.Column, severity, p.Message})
	}
}
