package gen

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pandakit/panda/internal/cli/command"
	"github.com/pandakit/panda/internal/protobuild"
	"github.com/pandakit/panda/internal/protobuild/generate"
)

// Options change what is generated. The zero value generates what panda.yaml says, and writes it.
type Options struct {
	Check   bool          // compare, and write nothing
	Pin     bool          // add missing tools to go.mod first
	Plugins []string      // "NAME" or "NAME=option,option"; those of panda.yaml when empty
	Out     string        // folder, relative to env.Dir; that of panda.yaml when ""
	Timeout time.Duration // of one run of a plugin; 0 for generate.DefaultTimeout
}

// Result is what was done, or with Options.Check what would be.
type Result struct {
	Files    []File
	Pinned   []string  // tools that were added to go.mod
	Notes    []string  // what was decided that the files do not say, a line each
	Warnings []Problem // what is legal but likely a mistake
	Sources  int       // .proto files
}

// File is one generated file.
type File struct {
	Path    string // absolute
	Changed bool   // it was written, or with Options.Check is stale
}

// Changed counts the files that were written, or are stale.
func (r Result) Changed() int {
	n := 0
	for _, f := range r.Files {
		if f.Changed {
			n++
		}
	}
	return n
}

// Problem is a problem of a file of a project.
type Problem struct {
	protobuild.Problem

	Path string // of the file, absolute
}

// ProblemsError is what is wrong with the .proto files of one or more projects.
type ProblemsError struct{ Problems []Problem }

// Error counts the problems; they are many lines, which the command prints.
func (e *ProblemsError) Error() string {
	files := map[string]bool{}
	for _, p := range e.Problems {
		files[p.Path] = true
	}
	return fmt.Sprintf("%s in %s", command.Count(len(e.Problems), "problem"), command.Count(len(files), ".proto file"))
}

// shownProblems bounds what is printed; with more, there is one cause, or a file that is no protobuf.
const shownProblems = 100

// Write prints each problem as file:line:col: message, with its line and a caret, as the user sees the files from
// env.Dir. Of more than a hundred it prints a hundred.
func (e *ProblemsError) Write(env *command.Env) {
	for i, p := range e.Problems {
		if i == shownProblems {
			fmt.Fprintf(env.Stderr, "and %d more problems\n", len(e.Problems)-i)
			return
		}
		fmt.Fprint(env.Stderr, p.told(env)+"\n"+p.Excerpt())
	}
}

// told is the problem on one line.
func (p Problem) told(env *command.Env) string {
	shown := p.Problem
	shown.File = filepath.ToSlash(Shown(env, p.Path))
	return shown.String()
}

// Generate writes the generated code of all .proto files at and below dir, as panda.yaml and go.mod say. A folder
// without .proto files is not an error; the result is then empty. Nothing is written unless all of them compile
// and every plugin has done its work; the files of a module are then put in place together, or none.
//
// The error is a *[ProblemsError] when .proto files are wrong, and a *[generate.UnpinnedError] when go.mod does not
// name the plugins for Go.
func Generate(ctx context.Context, env *command.Env, dir string) (Result, error) {
	projects, err := Projects(env, dir)
	if _, none := errors.AsType[*protobuild.NoFilesError](err); none {
		return Result{}, nil
	}
	if err != nil {
		return Result{}, err
	}
	return Run(ctx, env, projects, Options{})
}

// made is what was generated for a project.
type made struct {
	dir     string
	outputs []generate.Output
}

// Run generates for the projects: all are compiled and generated for before the first file is written.
func Run(ctx context.Context, env *command.Env, projects []*Project, o Options) (Result, error) {
	var result Result
	compiled, err := CompileAll(ctx, projects)
	for i, c := range compiled {
		if c != nil {
			result.Sources += len(c.Files)
			result.Warnings = append(result.Warnings, projects[i].located(c.Warnings)...)
		}
	}
	if err != nil {
		return result, err
	}
	run := generate.Runner{Environ: env.Environ(), Timeout: o.Timeout, Note: func(text string) {
		if !slices.Contains(result.Notes, text) {
			result.Notes = append(result.Notes, text)
		}
	}}
	var all []made
	for i, p := range projects {
		targets, err := p.targets(env, o)
		if err != nil {
			return result, err
		}
		if o.Pin {
			pinned, err := pin(ctx, compiled[i], targets, run)
			if err != nil {
				return result, err
			}
			result.Pinned = append(result.Pinned, pinned...)
		}
		outputs, err := generate.Generate(ctx, compiled[i], targets, run)
		if err != nil {
			return result, explain(err)
		}
		all = append(all, made{p.Source.Dir, outputs})
	}
	for _, m := range all {
		if err := result.settle(m, o.Check); err != nil {
			return result, err
		}
	}
	return result, nil
}

// CompileAll compiles every project, so that the problems of all are told at once: the error is then a *[ProblemsError], and
// the projects that have problems are nil among what is returned.
func CompileAll(ctx context.Context, projects []*Project) ([]*protobuild.Compiled, error) {
	all := make([]*protobuild.Compiled, len(projects))
	wrong := &ProblemsError{}
	for i, p := range projects {
		c, err := p.Compile(ctx)
		if problems, ok := errors.AsType[*protobuild.ProblemsError](err); ok {
			wrong.Problems = append(wrong.Problems, p.located(problems.Problems)...)
			continue
		}
		if err != nil {
			return nil, err
		}
		all[i] = c
	}
	if len(wrong.Problems) > 0 {
		return all, wrong
	}
	return all, nil
}

func (p *Project) located(problems []protobuild.Problem) []Problem {
	var located []Problem
	for _, problem := range problems {
		path := filepath.FromSlash(problem.File)
		if !filepath.IsAbs(path) {
			path = filepath.Join(p.Source.Dir, path)
		}
		located = append(located, Problem{problem, path})
	}
	return located
}

// settle writes what was made, or compares it.
func (r *Result) settle(m made, check bool) error {
	act := generate.Write
	if check {
		act = generate.Stale
	}
	changed, err := act(m.dir, m.outputs)
	if err != nil {
		return err
	}
	for _, out := range m.outputs {
		r.Files = append(r.Files, File{
			Path:    filepath.Join(m.dir, filepath.FromSlash(out.Path)),
			Changed: slices.Contains(changed, out.Path),
		})
	}
	return nil
}

// targets returns what is to be generated, after the flags. A plugin of the flags that panda.yaml has too keeps the
// folder and the options from there, unless the flags say others.
func (p *Project) targets(env *command.Env, o Options) ([]generate.Target, error) {
	targets := p.Targets()
	if len(o.Plugins) > 0 {
		configured := targets
		targets = nil
		for _, flag := range o.Plugins {
			name, list, given := strings.Cut(flag, "=")
			var options []string
			if given && list != "" {
				options = strings.Split(list, ",")
			}
			known := slices.DeleteFunc(slices.Clone(configured), func(t generate.Target) bool { return t.Plugin != name })
			if len(known) == 0 {
				known = []generate.Target{{Plugin: name, Only: p.only}}
			}
			for _, t := range known {
				if given {
					t.Options = options
				}
				targets = append(targets, t)
			}
		}
	}
	if o.Out == "" {
		return targets, nil
	}
	out, err := filepath.Rel(p.Source.Dir, absolute(env, o.Out))
	if err != nil || !filepath.IsLocal(out) {
		return nil, command.Usagef("--out %s leads out of %s, where the .proto files are", o.Out, p.Source.Dir)
	}
	for i := range targets {
		targets[i].Out = filepath.ToSlash(out)
	}
	return targets, nil
}

// pin adds what the targets need of go.mod, which for gRPC is nothing without a service.
func pin(ctx context.Context, c *protobuild.Compiled, targets []generate.Target, run generate.Runner) ([]string, error) {
	var plugins []string
	out := ""
	for _, t := range targets {
		if t.Plugin == "go-grpc" && !hasService(c) {
			continue
		}
		plugins = append(plugins, t.Plugin)
		if t.Plugin == "go" {
			out = t.Out
		}
	}
	return generate.Pin(ctx, filepath.Join(c.Source.Dir, filepath.FromSlash(out)), plugins, run)
}

func hasService(c *protobuild.Compiled) bool {
	for _, fd := range c.Files {
		if fd.Services().Len() > 0 {
			return true
		}
	}
	return false
}

// explain adds what to do.
func explain(err error) error {
	if _, ok := errors.AsType[*generate.UnpinnedError](err); ok {
		return command.Advise(err, "or let panda add what is missing: panda gen --pin")
	}
	return err
}
