// Package clustercmd is "panda cluster": a real Consul cluster on this one machine, to learn and test with, and what may
// happen to its nodes. How nodes run is internal/cluster's; what is said to the user is here.
package clustercmd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pandakit/panda/internal/cli/command"
	"github.com/pandakit/panda/internal/cluster/control"
)

const long = `Run a cluster of the real Consul on this one machine, to learn and to test with: three servers and a client
agent by default, which can be killed, frozen, cut off and brought back from other terminals.

Nodes are called n1, n2 and so on, servers first. They have Consul's usual ports on addresses of their own,
127.0.1.1 and up; on macOS, and elsewhere but on Linux, they share 127.0.0.1 and have ports of their own.
With --namespaces (Linux, root) each is a host of its own, whose links can be cut and slowed down.`

// New returns the command.
func New(env *command.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "cluster",
		Short:   "Run a real Consul cluster on this machine",
		Long:    long,
		Example: "  panda cluster up\n  panda cluster status\n  panda cluster kill n1\n  panda cluster down",
	}
	cmd.AddCommand(upCommand(env), downCommand(env), statusCommand(env), execCommand(env), tokenCommand(env), slowCommand(env))
	for _, act := range acts {
		cmd.AddCommand(act.command(env))
	}
	return cmd
}

// act is a command that the cluster carries out by itself.
type act struct {
	name, done  string
	args        cobra.PositionalArgs
	use         string
	short, long string
	example     string
}

var acts = []act{
	{
		"kill", "killed", cobra.ExactArgs(1), "kill NODE", "Kill a node, as the loss of power does",
		"Kill a node at once (SIGKILL). Its data stays; the others find out by themselves.", "panda cluster kill n1",
	},
	{
		"stop", "stopped", cobra.ExactArgs(1), "stop NODE", "Have a node leave the cluster and end",
		"Have a node leave the cluster, which then does not miss it, and end. It takes some seconds.", "panda cluster stop n4",
	},
	{
		"start", "started", cobra.ExactArgs(1), "start NODE", "Start a node that was killed or stopped",
		"Start a node that was killed or stopped, with the data that it had.", "panda cluster start n1",
	},
	{
		"freeze", "frozen", cobra.ExactArgs(1), "freeze NODE", "Freeze a node where it stands",
		"Freeze a node where it stands (SIGSTOP): connections stay open, and nothing is answered. Not on Windows.", "panda cluster freeze n2",
	},
	{
		"thaw", "thawed", cobra.ExactArgs(1), "thaw NODE", "Let a frozen node go on",
		"Let a frozen node go on (SIGCONT).", "panda cluster thaw n2",
	},
	{
		"partition", "cut off", cobra.MinimumNArgs(1), "partition NODE[,NODE…]…", "Cut nodes off from all others",
		"Cut nodes off from all others; among each other they stay connected. It takes --namespaces, and holds until heal.",
		"panda cluster partition n1\n  panda cluster partition n1,n4",
	},
	{
		"heal", "healed", cobra.NoArgs, "heal", "Make all links good again",
		"Make all links between nodes good again: undo partition and slow.", "panda cluster heal",
	},
}

func (a act) command(env *command.Env) *cobra.Command {
	return &cobra.Command{
		Use: a.use, Short: a.short, Long: a.long, Example: "  " + a.example, Args: a.args,
		ValidArgsFunction: complete(env),
		RunE: func(cmd *cobra.Command, args []string) error {
			var nodes []string
			for _, arg := range args {
				nodes = append(nodes, strings.Split(arg, ",")...)
			}
			if _, err := do(cmd.Context(), env, control.Request{Act: a.name, Nodes: nodes}); err != nil {
				return err
			}
			_, err := fmt.Fprintln(env.Stdout, strings.TrimSpace(a.done+" "+strings.Join(nodes, ", ")))
			return err
		},
	}
}

func slowCommand(env *command.Env) *cobra.Command {
	var delay time.Duration
	var loss string
	cmd := &cobra.Command{
		Use: "slow NODE", Short: "Make a node's link slow and lossy",
		Long:    "Make a node's link slow and lossy, in each direction. It takes --namespaces. Without flags the link is good again.",
		Example: "  panda cluster slow n2 --delay 100ms --loss 5%\n  panda cluster slow n2", Args: cobra.ExactArgs(1),
		ValidArgsFunction: complete(env),
		RunE: func(cmd *cobra.Command, args []string) error {
			share, err := share(loss)
			if err != nil {
				return err
			}
			if delay < 0 || delay > 10*time.Second {
				return command.Usagef("--delay %v: want 0 to 10s", delay)
			}
			if _, err := do(cmd.Context(), env, control.Request{Act: "slow", Nodes: args, Delay: delay, Loss: share}); err != nil {
				return err
			}
			_, err = fmt.Fprintf(env.Stdout, "%s has a delay of %v and loses %s, in each direction\n", args[0], delay, loss)
			return err
		},
	}
	cmd.Flags().DurationVar(&delay, "delay", 0, "how long each packet takes, up to 10s")
	cmd.Flags().StringVar(&loss, "loss", "0%", "the `SHARE` of packets that are lost, such as 5%")
	return cmd
}

// share reads a percentage.
func share(text string) (float64, error) {
	var percent float64
	var rest string
	if n, _ := fmt.Sscanf(text, "%g%s", &percent, &rest); n != 2 || rest != "%" || !(percent >= 0 && percent <= 100) {
		return 0, command.Usagef("--loss %q: want a percentage of 0%% to 100%%, such as 5%%", text)
	}
	return percent / 100, nil
}

func tokenCommand(env *command.Env) *cobra.Command {
	return &cobra.Command{
		Use: "token SERVICE", Short: "Print a token for a service",
		Long: "Print the token for the instances of a service, for a cluster with --acl: it may register that service and find all\n" +
			"others, and nothing else. The first call for a service makes it.",
		Example: "  CONSUL_HTTP_TOKEN=$(panda cluster token hello) ./hello", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			token, err := do(cmd.Context(), env, control.Request{Act: "token", Service: args[0]})
			if err != nil {
				return err
			}
			if token == "" {
				return command.Advise(errors.New("token "+args[0]+": this cluster takes calls without one"), "start it with: panda cluster up --acl")
			}
			_, err = fmt.Fprintln(env.Stdout, token)
			return err
		},
	}
}

// connect finds the cluster that runs.
func connect(env *command.Env) (*control.Client, error) {
	client, err := control.Connect(control.Folder(env.Getenv))
	switch {
	case errors.Is(err, control.ErrNone):
		return nil, command.Advise(err, "start one with: panda cluster up")
	case errors.Is(err, control.ErrStale):
		return nil, command.Advise(err, "clean up with: panda cluster down")
	}
	return client, err
}

// do has the cluster do something.
func do(ctx context.Context, env *command.Env, r control.Request) (string, error) {
	client, err := connect(env)
	if err != nil {
		return "", err
	}
	out, err := client.Do(ctx, r)
	if err == nil {
		return out, nil
	}
	if ctx.Err() != nil {
		return "", errors.New(r.Act + ": interrupted")
	}
	told, ok := errors.AsType[*control.Error](err)
	if ok && told.Unknown {
		return "", command.Usagef("%s: %w", r.Act, err)
	}
	if ok && slices.Contains([]string{"partition", "heal", "slow"}, r.Act) && client.Description().Lab == "" {
		return "", command.Advise(err, "start the cluster, as root on Linux, with: panda cluster up --namespaces")
	}
	if ok && told.Refused {
		return "", command.Advise(err, `see "panda cluster status" for how nodes are`)
	}
	return "", fmt.Errorf("%s: %w", r.Act, err)
}

// completionTimeout bounds what a person who presses the tab key waits.
const completionTimeout = time.Second

func complete(env *command.Env) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		client, err := connect(env)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTimeout)
		defer cancel()
		status, err := client.Status(ctx)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var names []string
		for _, n := range status.Nodes {
			if !slices.Contains(args, n.Name) && strings.HasPrefix(n.Name, begun) {
				names = append(names, n.Name)
			}
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}
