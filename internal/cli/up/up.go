// Package up is "panda up": it combines a workspace with a registry, the embedded agent unless there is
// another, and shows what happens. What is said to the user is all here; how services are found, built,
// run and drained is internal/workspace's.
package up

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pandakit/panda/internal/cli/command"
	"github.com/pandakit/panda/internal/process"
	"github.com/pandakit/panda/internal/workspace"
	"github.com/pandakit/panda/internal/workspace/build"
	"github.com/pandakit/panda/internal/workspace/config"
	"github.com/pandakit/panda/internal/workspace/find"
	"github.com/pandakit/panda/internal/workspace/supervise"
)

const long = `Build and run all services below a folder, the current one by default, with a registry
to find each other in.

A service is a main package that calls panda.NewService. Each is built, started on a free
port in its own folder, followed until it is passing, and started again when it crashes.
Their logs are merged, line by line, each behind its service's name. Ctrl-C drains all of
them and leaves no process behind; a second Ctrl-C kills them.

A saved file rebuilds the services that import its package, and no others. Each of their
instances is replaced: the new process passes its checks before the old one drains, so no
call is lost; when something does not compile, or does not pass within --patience, the old
one serves on. A service with a port of its own drains first. panda.yaml is read at the
start only.

While it runs, "panda logs", "restart", "scale", "stop" and "attach" have a say from other
terminals; on a terminal keys do: ? tells which. --debug runs a service under dlv, which
listens for a debugger; it is not replaced when its files are saved. The others are built
without what only debuggers read, so that a save is live sooner: dlv cannot be attached to
them, unless GOFLAGS=-ldflags= is set.

Unless CONSUL_HTTP_ADDR is set, the agent at 127.0.0.1:8500 is used, and one is started
there, in memory, when there is none.

panda.yaml, in the folder, says what the code cannot; a service it does not name runs once:

  services:
    hello:
      path: ./hello         # the service found under this name, else ./hello
      replicas: 3           # default 1
      env: {LANG: zh_CN}    # added to the environment
      args: [-v]            # of the program
      after: [migrate]      # started once these are ready
    migrate:
      path: ./cmd/migrate   # any main package: it need not be a service
      oneshot: true         # ends with exit code 0 when its work is done; ready then

Exit codes: 0 stopped and drained, 1 a build or a drain failed, 2 wrong usage or panda.yaml.`

const example = `  panda up                                # all services below the current folder
  panda up ./examples
  panda up ./hello ./web                  # only these
  panda up --replicas hello=3 ./examples
  panda up --debug hello                  # and then: dlv connect, or attach an IDE to the address`

// Defaults of the flags, and what no flag sets.
const (
	defaultGrace     = 30 * time.Second
	defaultAgentPort = 8500
	defaultPatience  = 10 * time.Second
	minPatience      = time.Second // what is well is seen sooner
)

// options are the flags.
type options struct {
	agentPort    int
	agentPortSet bool
	replicas     []string
	grace        time.Duration
	patience     time.Duration
	noReload     bool
	debug        string // the service
}

// New returns the command. It ends without an error when its context is done, or at an interrupt of its
// own: the first drains, the second kills.
func New(env *command.Env) *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:           "up [PATH…]",
		Short:         "Build and run all services below a folder",
		Long:          long,
		Example:       example,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.agentPortSet = cmd.Flags().Changed("agent-port")
			return run(cmd.Context(), env, o, args)
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
	}
	cmd.Flags().IntVar(&o.agentPort, "agent-port", defaultAgentPort, "`port` of the agent; 0 takes any free one")
	cmd.Flags().StringArrayVarP(&o.replicas, "replicas", "r", nil, "run `SERVICE=N` instances (repeatable)")
	cmd.Flags().BoolVar(&o.noReload, "no-reload", false, "leave services as they are when their files are saved")
	cmd.Flags().StringVar(&o.debug, "debug", "", "run one instance of `SERVICE` under the debugger dlv")
	cmd.Flags().DurationVar(&o.grace, "grace", defaultGrace, "how long a service may take to drain before it is killed")
	cmd.Flags().DurationVar(&o.patience, "patience", defaultPatience, "how long a new process may take to pass its checks before the old one is kept")
	return cmd
}

func run(parent context.Context, env *command.Env, o options, paths []string) error {
	if err := o.check(env); err != nil {
		return err
	}
	stops := interrupts(parent)
	defer stops.release()
	began := time.Now()
	work, err := load(stops, env, o, paths)
	if err != nil {
		return interrupted(stops, err)
	}
	terminal := terminalOf(env)
	s := newScreen(terminal.env, work, began)
	ctx, releaseScreen := s.untilBroken(stops)
	defer releaseScreen()
	s.found(paths)
	registry, err := openRegistry(ctx, terminal.env, o)
	if err != nil {
		return interrupted(ctx, err)
	}
	defer registry.close()
	s.registry = registry
	s.usesRegistry()
	return runServices(ctx, o, s, terminal, stops)
}

// runServices builds into a folder of its own, runs, and removes the folder when no process is left.
func runServices(ctx context.Context, o options, s *screen, terminal *terminal, stops *interruptions) error {
	starter := process.NewStarter()
	defer starter.Close()
	temp, err := newFolder(os.TempDir())
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp) //nolint:errcheck // what is left is the system's to clear
	since := time.Now()
	building := s.building()
	cfg := build.Config{Starter: starter, Environ: s.env.Environ(), Temp: temp, Base: s.env.Dir, Done: building.done}
	binaries, err := s.work.Build(ctx, temp, cfg)
	building.end(err)
	if err != nil {
		return s.buildFailed(interrupted(ctx, err))
	}
	defer s.wait()
	runner := workspace.NewRunner(s.work, workspace.Config{
		Starter: starter, Registry: s.registry.health, Environ: append(s.env.Environ(), s.registry.environ()...),
		Binaries: binaries, Grace: o.grace, Patience: o.patience,
		Output:  func(label string) supervise.Output { return s.Stream(label) },
		Observe: s.observe,
		Build:   &cfg, Reload: !o.noReload, Since: since,
		Listen: s.registry.listen(), Generate: s.generate,
	})
	return s.ended(runControlled(ctx, s, runner, terminal, stops))
}

// runControlled runs the services while other commands, and keys, may have a say.
func runControlled(ctx context.Context, s *screen, runner *workspace.Runner, terminal *terminal, stops *interruptions) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	s.tellDebugger()
	server := s.listen(runner, stop)
	if server != nil {
		defer server.Close()
	}
	if terminal.takeKeys() {
		s.keys = true
		defer terminal.restore()
		o := &operator{screen: s, runner: runner, quit: stop, interrupt: stops.interrupt}
		defer o.listen(terminal)()
	}
	err := runner.Run(ctx, stops.kill)
	if server != nil {
		server.Drained(err)
	}
	return err
}

func (o *options) check(env *command.Env) error {
	switch {
	case o.agentPort < 0 || o.agentPort > 65535:
		return command.Usagef("--agent-port %d: want 0 to 65535", o.agentPort)
	case o.grace < 0:
		return command.Usagef("--grace %v: want a duration of 0 or more", o.grace)
	case o.patience < minPatience:
		return command.Usagef("--patience %v: want a duration of %v or more", o.patience, minPatience)
	case o.agentPortSet && env.Getenv("CONSUL_HTTP_ADDR") != "":
		return command.Usagef("--agent-port %d: CONSUL_HTTP_ADDR names %s as the registry, so no agent is started; unset one of them",
			o.agentPort, env.Getenv("CONSUL_HTTP_ADDR"))
	}
	return nil
}

// load reads the workspace and sets what flags say about it.
func load(ctx context.Context, env *command.Env, o options, paths []string) (*workspace.Workspace, error) {
	if len(paths) == 0 {
		paths = []string{"."}
	}
	var folders []workspace.Folder
	for _, path := range paths {
		folders = append(folders, folderOf(env, path))
	}
	work, err := workspace.Load(ctx, folders, env.Environ())
	if err != nil {
		return nil, explain(err)
	}
	for _, setting := range o.replicas {
		name, count, found := strings.Cut(setting, "=")
		n, err := strconv.Atoi(count)
		if !found || err != nil {
			return nil, command.Usagef("--replicas %q: want SERVICE=N, such as hello=3", setting)
		}
		if err := work.Scale(name, n); err != nil {
			return nil, command.Usagef("--replicas %q: %w", setting, err)
		}
	}
	return work, o.setDebugger(work)
}

// folderOf takes ./... for what it means to the go command: everything below is looked at anyway.
func folderOf(env *command.Env, path string) workspace.Folder {
	shown := path
	if trimmed, found := strings.CutSuffix(filepath.ToSlash(path), "/..."); found {
		path = trimmed
	}
	path = filepath.FromSlash(path)
	if !filepath.IsAbs(path) {
		path = filepath.Join(env.Dir, path)
	}
	return workspace.Folder{Path: path, Shown: strings.TrimSuffix(shown, "/...")}
}

// explain tells wrong input from what fails, and what to do about it.
func explain(err error) error {
	if _, ok := errors.AsType[*config.Error](err); ok {
		return command.Advise(command.Usage(err), `see "panda up --help" for what panda.yaml may say`)
	}
	if _, ok := errors.AsType[*find.NoModuleError](err); ok {
		return command.Advise(command.Usage(err), "give the folder of your services: panda up ./folder")
	}
	if wrong, ok := errors.AsType[*workspace.FolderError](err); ok {
		if len(wrong.Programs) > 0 {
			return command.Advise(command.Usage(err), "a main package that is no service runs when panda.yaml names it: "+strings.Join(wrong.Programs, ", "))
		}
		return command.Usage(err)
	}
	if _, ok := errors.AsType[*workspace.DuplicateError](err); ok {
		return command.Usage(err)
	}
	return err
}

// interrupted replaces the error of work that was cut off.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return errors.New("interrupted before any service was started")
	}
	return err
}
