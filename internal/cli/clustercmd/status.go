package clustercmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pandakit/panda/internal/cli/command"
	"github.com/pandakit/panda/internal/cluster"
	"github.com/pandakit/panda/internal/cluster/control"
	"github.com/pandakit/panda/internal/netns"
)

func statusCommand(env *command.Env) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "status", Short: "Show the nodes of the cluster",
		Long: "Show the nodes: what their processes do, how the leader sees them, who leads, and which links are bad. --json has also\n" +
			"the arguments that Consul was started with.",
		Example: "  panda cluster status\n  panda cluster status --json", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := connect(env)
			if err != nil {
				return err
			}
			status, err := client.Status(cmd.Context())
			switch {
			case err != nil:
				return err
			case asJSON:
				return env.PrintJSON(status)
			}
			return printNodes(env, *status)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func printNodes(env *command.Env, s cluster.Status) error {
	var rows [][]string
	for _, n := range s.Nodes {
		var notes []string
		if n.Name == s.Leader {
			notes = append(notes, "leader")
		}
		if len(n.CutOff) > 0 {
			notes = append(notes, "cut off from "+strings.Join(n.CutOff, ", "))
		}
		if n.Delay != "" {
			notes = append(notes, fmt.Sprintf("link: delay %s, loss %g%%", n.Delay, n.Loss*100))
		}
		rows = append(rows, []string{n.Name, n.Role, n.HTTP, string(n.State), n.Member, strings.Join(notes, "; ")})
	}
	return env.PrintTable([]string{"NODE", "ROLE", "HTTP", "STATE", "MEMBER", "NOTE"}, rows)
}

// variables are what programs need to know to use the cluster by a node.
func variables(s cluster.Status, n cluster.NodeStatus) []string {
	list := []string{"CONSUL_HTTP_ADDR=" + n.HTTP}
	if s.CA != "" {
		list = append(list, "CONSUL_CACERT="+s.CA)
	}
	if s.Tokens != "" {
		list = append(list, "CONSUL_HTTP_TOKEN_FILE="+filepath.Join(s.Tokens, "management"))
	}
	return list
}

// entry is the node that people use: a client agent, as in the course, if there is one.
func entry(s cluster.Status) cluster.NodeStatus {
	for _, n := range s.Nodes {
		if n.Role == "client" {
			return n
		}
	}
	return s.Nodes[0]
}

func downCommand(env *command.Env) *cobra.Command {
	return &cobra.Command{
		Use: "down", Short: "End the cluster, and remove what it has made",
		Long: "End the cluster: its processes, its network, and its data unless that is in a folder that --data named. What a killed\n" +
			"one has left is removed as well. Without a cluster it does nothing.",
		Example: "  panda cluster down", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return down(cmd.Context(), env) },
	}
}

// downTimeout bounds the end of a cluster.
const downTimeout = 30 * time.Second

func down(ctx context.Context, env *command.Env) error {
	folder := control.Folder(env.Getenv)
	client, err := control.Connect(folder)
	switch {
	case errors.Is(err, control.ErrNone):
		_, err = fmt.Fprintln(env.Stdout, "no cluster is running")
		return err
	case errors.Is(err, control.ErrStale):
		if _, err := control.Clean(ctx, folder); err != nil {
			return err
		}
		_, err = fmt.Fprintln(env.Stdout, "removed what a killed cluster had left")
		return err
	case err != nil:
		return err
	}
	if _, err := client.Do(ctx, control.Request{Act: "down"}); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, downTimeout)
	defer cancel()
	if err := control.Gone(ctx, folder); err != nil {
		return command.Advise(fmt.Errorf("end the cluster: process %d is still there", client.Description().PID),
			fmt.Sprintf("end it with: kill -9 %d, and run this again", client.Description().PID))
	}
	_, err = fmt.Fprintln(env.Stdout, "the cluster is down")
	return err
}

func execCommand(env *command.Env) *cobra.Command {
	return &cobra.Command{
		Use: "exec NODE -- COMMAND [ARGS…]", Short: "Run a command on a node's host",
		Long: "Run a command on the host of a node, for a cluster with --namespaces: it has the host's network, and CONSUL_HTTP_ADDR\n" +
			"names the node unless it is set. Streams and the exit code are the command's.",
		Example: "  panda cluster exec n4 -- consul members\n  panda cluster exec n4 -- ./hello", Args: cobra.MinimumNArgs(2),
		ValidArgsFunction: complete(env),
		RunE: func(cmd *cobra.Command, args []string) error {
			return execute(cmd.Context(), env, args[0], args[1], args[2:])
		},
	}
}

func execute(ctx context.Context, env *command.Env, node, program string, args []string) error {
	client, err := connect(env)
	if err != nil {
		return err
	}
	status, err := client.Status(ctx)
	if err != nil {
		return err
	}
	var on *cluster.NodeStatus
	var names []string
	for i, n := range status.Nodes {
		names = append(names, n.Name)
		if n.Name == node {
			on = &status.Nodes[i]
		}
	}
	if on == nil {
		return command.Usagef("exec: %w", &cluster.UnknownNodeError{Name: node, Known: names})
	}
	if status.Lab == "" {
		return command.Advise(errors.New("exec: the nodes are no hosts of their own: commands run on this machine as they are"),
			"to have hosts, start the cluster, as root on Linux, with: panda cluster up --namespaces")
	}
	lab, err := netns.Open(ctx, status.Lab)
	if err != nil {
		return err
	}
	if strings.ContainsRune(program, os.PathSeparator) && !filepath.IsAbs(program) {
		program = filepath.Join(env.Dir, program)
	}
	cmd := lab.Command(ctx, node, program, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.Dir, cmd.Env = env.Stdin, env.Stdout, env.Stderr, env.Dir, env.Environ()
	if env.Getenv("CONSUL_HTTP_ADDR") == "" {
		cmd.Env = append(cmd.Env, variables(*status, *on)...)
	}
	err = cmd.Run()
	if failed, ok := errors.AsType[*exec.ExitError](err); ok && failed.Exited() {
		return command.Silent(failed.ExitCode(), err)
	}
	if err != nil {
		return fmt.Errorf("exec on %s: %s: %w", node, program, err)
	}
	return nil
}
