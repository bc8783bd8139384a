// Package newcmd is "panda new": it combines the scaffold of a project with what finds services in a workspace and with
// what generates Go code from .proto files, asks what was not said, and tells what was made. It writes nothing itself.
package newcmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/pandakit/panda/internal/allornone"
	"github.com/pandakit/panda/internal/cli/command"
	"github.com/pandakit/panda/internal/cli/consulcmd"
	"github.com/pandakit/panda/internal/protobuild"
	"github.com/pandakit/panda/internal/protobuild/generate"
	"github.com/pandakit/panda/internal/scaffold"
	"github.com/pandakit/panda/internal/workspace/config"
	"github.com/pandakit/panda/internal/workspace/find"
)

const long = `Make a new project in the folder PATH: one that compiles, passes its tests and runs at once.

  srv   a gRPC service, with a unary, a server-streaming and a bidirectional method
  web   a web page and JSON that call a srv by name
  api   gRPC, and JSON over HTTP for the same methods
  rpc   a service of Go's net/rpc
  cli   a command that calls a srv by name

Without --type it is asked for on a terminal, and is srv elsewhere.

The service's name is that of the folder, in lower case, with hyphens for dots, and without the ending .srv of a srv:
day2/micro/rpc.srv is found as rpc, day2/micro/rpc.web as rpc-web. In a folder of an existing module the project becomes a
package of it; go.mod and go.sum get what they miss and nothing else changes. Elsewhere it is a module of its own. In
a workspace, which has a panda.yaml, it is added there.

All files are made, generated, compiled and vetted elsewhere first: when anything goes wrong, nothing is left.

Exit codes: 0 made, 1 failed, 2 wrong usage.`

const example = `  panda new --type srv day2/micro/rpc.srv
  panda new --type web day2/micro/rpc.web   # calls rpc, which it finds beside itself
  panda new --type web --calls orders shop  # calls another
  panda new --lang zh --module example.com/shop/hello hello`

// options are the flags.
type options struct {
	kind, name, module, calls, language, panda string
	force                                      bool
}

// New returns the command.
func New(env *command.Env) *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:     "new PATH",
		Short:   "Make a new service, web page or command",
		Long:    long,
		Example: example,
		Args:    onePath,
		RunE: func(cmd *cobra.Command, args []string) error {
			return explain(run(cmd.Context(), env, o, args[0]))
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&o.kind, "type", "t", "", "`TYPE` of the project: srv, web, api, rpc or cli")
	flags.StringVar(&o.name, "name", "", "`NAME` of the service, in place of one made of PATH")
	flags.StringVar(&o.module, "module", "", "path of a new `MODULE`, also within another")
	flags.StringVar(&o.calls, "calls", "", "`SERVICE` that a web or cli calls; by default one that is found beside it")
	flags.StringVar(&o.language, "lang", "", "language of README and page, `en or zh`; by default that of LC_ALL or LANG")
	flags.StringVar(&o.panda, "panda", "", "`FOLDER` of a checkout of panda to build on, in place of the one that this command is from")
	flags.BoolVarP(&o.force, "force", "f", false, "overwrite files that exist")
	// Only the names of types can be completed; an unknown flag cannot be among ours.
	_ = cmd.RegisterFlagCompletionFunc("type", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		var names []string
		for _, t := range scaffold.Types() {
			names = append(names, string(t)+"\t"+t.Describe())
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	})
	return cmd
}

func onePath(_ *cobra.Command, args []string) error {
	switch len(args) {
	case 0:
		return errors.New("no PATH given")
	case 1:
		return nil
	}
	return fmt.Errorf("%q is one argument too many; put quotes around a path with spaces", args[1])
}

func run(ctx context.Context, env *command.Env, o options, path string) error {
	began := time.Now()
	request, err := o.request(env, path)
	if err != nil {
		return err
	}
	program := consulcmd.OnPath(env, "go")
	if len(program) == 0 {
		return command.Advise(fmt.Errorf("create %s: there is no go command on PATH", path), "install Go, 1.26 or newer: https://go.dev/dl")
	}
	plan, err := plan(ctx, env, request, o.calls)
	if err != nil {
		return err
	}
	told := sync.OnceFunc(func() { fmt.Fprintf(env.Stdout, "▸ %s\n", headline(plan)) })
	result, err := plan.Create(ctx, scaffold.Tools{
		Go: program[0], Environ: env.Environ(), Generate: GenerateGo,
		Progress: func(text string) {
			told()
			fmt.Fprintf(env.Stdout, "▸ %s\n", text)
		},
	})
	if ctx.Err() != nil {
		return fmt.Errorf("create %s: interrupted; nothing was made", path)
	}
	if err != nil {
		return err
	}
	return tell(env, plan, result, time.Since(began))
}

// request reads the flags, and asks for the type if it is to be asked for.
func (o *options) request(env *command.Env, path string) (scaffold.Request, error) {
	r := scaffold.Request{Dir: env.Dir, Path: path, Name: o.name, Module: o.module, Force: o.force, Type: scaffold.Srv}
	var err error
	if o.kind != "" {
		if r.Type, err = scaffold.ParseType(o.kind); err != nil {
			return r, err
		}
	}
	r.Language = scaffold.LanguageOf(cmp.Or(env.Getenv("LC_ALL"), env.Getenv("LC_MESSAGES"), env.Getenv("LANG")))
	if o.language != "" {
		if r.Language, err = scaffold.ParseLanguage(o.language); err != nil {
			return r, err
		}
	}
	checkout := o.panda
	if checkout != "" && !filepath.IsAbs(checkout) {
		checkout = filepath.Join(env.Dir, checkout)
	}
	if r.Panda, err = scaffold.FindPanda(checkout); err != nil {
		return r, err
	}
	if o.kind == "" {
		r.Type, err = askType(env)
	}
	return r, err
}

// plan derives what will be made, and finds the service that it calls.
func plan(ctx context.Context, env *command.Env, request scaffold.Request, calls string) (*scaffold.Plan, error) {
	p, err := scaffold.NewPlan(request)
	if err != nil {
		return nil, err
	}
	if p.Workspace != "" {
		// A file that panda up would refuse is not added to.
		if _, err := config.Read(p.Workspace, p.Workspace); err != nil {
			return nil, command.Usage(err)
		}
	}
	var found []scaffold.Found
	if folder := p.SearchFolder(); folder != "" {
		programs, err := find.Programs(ctx, folder, env.Environ())
		if _, none := errors.AsType[*find.NoModuleError](err); err != nil && !none {
			return nil, err
		}
		for _, program := range programs {
			if program.Service != "" && program.Dir != p.Folder {
				found = append(found, scaffold.Found{Name: program.Service, Dir: program.Dir})
			}
		}
	}
	err = p.Call(calls, found)
	return p, err
}

// GenerateGo writes the Go code of the .proto files below root, a folder of the module, with the plugins that its go.mod
// pins. It is the Generate of [scaffold.Tools].
func GenerateGo(ctx context.Context, module, root string, environ []string) error {
	source, err := protobuild.Find(module, protobuild.Settings{Roots: []string{root}})
	if err != nil {
		return err
	}
	compiled, err := protobuild.Compile(ctx, source)
	if err != nil {
		return err
	}
	targets := []generate.Target{{Plugin: "go"}, {Plugin: "go-grpc"}}
	outputs, err := generate.Generate(ctx, compiled, targets, generate.Runner{Environ: environ})
	if err != nil {
		return err
	}
	_, err = generate.Write(source.Dir, outputs)
	return err
}

// explain tells wrong input from what fails, and what to do about it.
func explain(err error) error {
	if wrong, ok := errors.AsType[*scaffold.InputError](err); ok {
		err = command.Usage(err)
		if wrong.Do != "" {
			err = command.Advise(err, wrong.Do)
		}
		return err
	}
	if errors.Is(err, allornone.ErrExists) {
		return command.Advise(err, "choose another PATH, or overwrite them with --force")
	}
	return err
}

func headline(p *scaffold.Plan) string {
	what := fmt.Sprintf("service %q", p.Name)
	if p.Type == scaffold.CLI {
		what = fmt.Sprintf("command %q", p.Name)
	}
	text := fmt.Sprintf("%s of type %s in %s", what, p.Type, p.Shown)
	if p.NewModule {
		text += ", new module " + p.Module
	} else {
		text += ", package " + p.Import()
	}
	if p.Callee != nil {
		text += fmt.Sprintf("; it calls %q", p.Callee.Name)
	}
	return text
}

// tell says what was made and what can be done with it.
func tell(env *command.Env, p *scaffold.Plan, result *scaffold.Result, took time.Duration) error {
	var b strings.Builder
	fmt.Fprintf(&b, "✓ %d files, built on %s, compiled and vetted in %.1f s\n", len(result.Files), p.Panda, took.Seconds())
	for _, name := range result.Changed {
		fmt.Fprintf(&b, "✓ added to %s\n", shorten(env, name))
	}
	for _, note := range result.Notes {
		fmt.Fprintf(&b, "! %s\n", note)
	}
	b.WriteString("\n")
	for _, line := range next(env, p) {
		b.WriteString("  " + line + "\n")
	}
	_, err := fmt.Fprint(env.Stdout, b.String())
	return err
}

// next are the commands that one types next.
func next(env *command.Env, p *scaffold.Plan) []string {
	folder := shorten(env, p.Folder)
	if p.Type == scaffold.CLI {
		return []string{"go -C " + word(folder) + " run ."}
	}
	around := folder
	if p.Callee != nil && p.Callee.Dir != "" {
		around = shorten(env, common(p.Folder, p.Callee.Dir))
	}
	up := "panda up " + word(around)
	switch p.Type {
	case scaffold.Srv, scaffold.API:
		return []string{up, fmt.Sprintf(`panda call %s Greet '{"name":"panda"}'`, p.Name)}
	case scaffold.Web, scaffold.RPC, scaffold.CLI:
	}
	return []string{up, "panda instances " + p.Name}
}

// common is the nearest folder that both are in.
func common(a, b string) string {
	for {
		relative, err := filepath.Rel(a, b)
		if err == nil && filepath.IsLocal(relative) || filepath.Dir(a) == a {
			return a
		}
		a = filepath.Dir(a)
	}
}

// shorten writes a path as one that stands in the working directory does.
func shorten(env *command.Env, path string) string {
	here, err := filepath.EvalSymlinks(env.Dir)
	if err != nil {
		return path
	}
	relative, err := filepath.Rel(here, path)
	if err != nil || !filepath.IsLocal(relative) {
		return path
	}
	return relative
}

// word writes a path as one word of a shell.
func word(path string) string {
	if strings.ContainsAny(path, " \t'\"$`&;()<>|*?[]#~!\\") {
		return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
	}
	return path
}
