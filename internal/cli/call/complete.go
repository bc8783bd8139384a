package call

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pandakit/panda/internal/cli/call/reach"
	"github.com/pandakit/panda/internal/cli/command"
	"github.com/pandakit/panda/internal/rpccall"
)

// complete completes SERVICE with what the registry knows, METHOD with what its server tells, and JSON with the request's
// template, its fields and the values of its enums.
func (c *caller) complete(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return command.CompleteService(c.env)(cmd, args, begun)
	}
	server := &reach.Server{Env: c.env, Service: args[0], Addr: c.options.addr}
	switch len(args) {
	case 1:
		return server.Complete(cmd.Context(), begun, func(ctx context.Context, client *rpccall.Client) ([]string, error) {
			methods, err := client.Methods(ctx)
			return reach.BareNames(methods, begun), err
		})
	case 2:
		names, directive := server.Complete(cmd.Context(), begun, func(ctx context.Context, client *rpccall.Client) ([]string, error) {
			return client.CompleteRequest(ctx, args[1], begun)
		})
		if strings.TrimSpace(begun) != "" {
			directive |= cobra.ShellCompDirectiveNoSpace // there is more to come
		}
		return names, directive
	}
	return reach.None()
}
