// Package reload is "panda reload": an agent, ours or Consul's, reads its definition files
// again. It reads none of them itself.
package reload

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
		Use:   "reload",
		Short: "Make the agent read its definition files again",
		Long: `Make the agent read its definition files again, and apply what has changed in them: services and checks
are registered, changed and removed. A SIGHUP to the agent does the same.

Flags are Consul's, with one dash or two.`,
		Example:     "  panda reload\n  panda reload -http-addr 127.0.0.1:18500",
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
	if _, err := agent.Do(ctx, http.MethodPut, "/v1/agent/reload", nil, nil); err != nil {
		return command.Verbatim(fmt.Errorf("Error reloading: %w", err)) //nolint:staticcheck // Consul's text
	}
	_, err = fmt.Fprintln(env.Stdout, "Configuration reload triggered")
	return err
}
