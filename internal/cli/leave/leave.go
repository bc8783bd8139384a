// Package leave is "panda leave": an agent, ours or Consul's, leaves its cluster and ends. It
// never kills a process: the agent does what it is asked, or the error says why not.
package leave

import (
	"context"
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/pandakit/panda/internal/cli/agentapi"
	"github.com/pandakit/panda/internal/cli/command"
)

// New returns the command.
func New(env *command.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "leave",
		Short: "Make the agent leave its cluster and end",
		Long: `Make the agent leave its cluster and end: the one that CONSUL_HTTP_ADDR or -http-addr names.

Flags are Consul's, with one dash or two.`,
		Example:     "  panda leave\n  panda leave -http-addr 127.0.0.1:18500",
		Annotations: command.ConsulFlags(),
		Args:        cobra.NoArgs,
	}
	flags := agentapi.AddFlags(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), env, flags) }
	return cmd
}

func run(ctx context.Context, env *command.Env, flags *agentapi.Flags) error {
	agent, err := flags.Connect(env)
	if err != nil {
		return err
	}
	if _, err := agent.Do(ctx, http.MethodPut, "/v1/agent/leave", nil, nil); err != nil {
		return command.Verbatim(fmt.Errorf("Error leaving: %w", err)) //nolint:staticcheck // Consul's text
	}
	_, err = fmt.Fprintln(env.Stdout, "Graceful leave complete")
	return err
}
