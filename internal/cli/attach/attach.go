// Package attach is "panda attach": an instance that an IDE or a debugger has started takes the place of a service's own
// in a running "panda up". It starts no process, and registers nothing itself.
package attach

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pandakit/panda/internal/cli/command"
	"github.com/pandakit/panda/internal/cli/running"
)

const long = `Attach an instance of a service that you start yourself, in an IDE or a debugger, to a running
"panda up", in place of those that panda up runs. Calls by name then reach yours alone.

It waits until an instance of SERVICE that panda up did not start is passing in the registry;
start yours before or after, with CONSUL_HTTP_ADDR set to the registry that is told. Then panda
up drains its own instances, and it returns.

With --addr the instance is the one at that address, which must take connections. If it is not in
the registry by itself, panda up puts it there: so it can be any program that serves the calls.

Yours is attached until nothing takes connections at its address any more, or until
"panda attach --detach SERVICE"; then panda up starts its own again, from the files as they are
then. Being stopped at a breakpoint is no end: the port still takes connections, though its check
turns critical after a while, and calls then fail as long as you look. Files that are saved
meanwhile replace nothing of the service. When panda up ends, yours goes on.

` + running.Help

// New returns the command.
func New(env *command.Env) *cobra.Command {
	var address string
	var detach bool
	cmd := &cobra.Command{
		Use:   "attach SERVICE",
		Short: "Attach an instance that you started yourself",
		Long:  long,
		Example: `  panda attach hello                          # then start hello in the IDE
  panda attach hello --addr 127.0.0.1:10086   # one that does not register itself
  panda attach hello --detach                 # back to the instances of panda up`,
		Args:              command.OneService,
		ValidArgsFunction: running.Complete(env, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if detach {
				if address != "" {
					return command.Usagef("attach %s: --addr and --detach exclude each other", args[0])
				}
				return runDetach(cmd.Context(), env, args[0])
			}
			return run(cmd.Context(), env, args[0], address)
		},
	}
	cmd.Flags().StringVar(&address, "addr", "", "`host:port` of the instance")
	cmd.Flags().BoolVar(&detach, "detach", false, "end it: panda up starts its own instances again")
	return cmd
}

func run(ctx context.Context, env *command.Env, service, address string) error {
	if err := checkAddress(address); err != nil {
		return err
	}
	client, err := running.Connect(env)
	if err != nil {
		return err
	}
	if err := running.Known(ctx, client, service); err != nil {
		return running.Explain(ctx, "attach "+service, err)
	}
	if address == "" {
		registry := strings.TrimPrefix(client.Description().Registry, "http://")
		_, err := fmt.Fprintf(env.Stdout, "waiting for an instance of %s; start yours with CONSUL_HTTP_ADDR=%s\n", service, registry)
		if err != nil {
			return err
		}
	}
	at, err := client.Attach(ctx, service, address)
	if err != nil {
		return running.Explain(ctx, "attach "+service, err)
	}
	_, err = fmt.Fprintf(env.Stdout, "%s is attached at %s\n", service, at)
	return err
}

func checkAddress(address string) error {
	if address == "" {
		return nil
	}
	host, portText, err := net.SplitHostPort(address)
	port, numeric := strconv.Atoi(portText)
	if err != nil || numeric != nil || host == "" || port < 1 || port > 65535 {
		return command.Usagef("--addr %q: want host:port, such as 127.0.0.1:10086", address)
	}
	return nil
}

func runDetach(ctx context.Context, env *command.Env, service string) error {
	client, err := running.Connect(env)
	if err != nil {
		return err
	}
	if err := client.Detach(ctx, service); err != nil {
		return running.Explain(ctx, "detach "+service, err)
	}
	_, err = fmt.Fprintf(env.Stdout, "%s is detached\n", service)
	return err
}
