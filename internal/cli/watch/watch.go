// Package watch is "panda watch": a line for each change of a service's instances, for as long as the user
// looks on. It only asks, and changes nothing.
package watch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/pandakit/panda/discovery"
	"github.com/pandakit/panda/internal/cli/command"
)

// New returns the command. It ends without an error when its context is done: that is how a user ends it.
func New(env *command.Env) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "watch SERVICE",
		Short: "Print each change of a service's instances",
		Long: `Print each change of a service's instances until Ctrl-C: which came, went, became usable or not, and why.
It goes on while the registry is away, and says so.`,
		Example:           "  panda watch hello\n  panda watch hello --json",
		Args:              command.OneService,
		ValidArgsFunction: command.CompleteService(env),
		RunE: func(cmd *cobra.Command, args []string) error {
			registry, err := command.Registry(env)
			if err != nil {
				return err
			}
			return run(cmd.Context(), registry, args[0], printer(env, asJSON))
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a line")
	return cmd
}

// run watches until ctx is done, or until a line cannot be printed, whose error it returns.
func run(ctx context.Context, registry discovery.Registry, service string, show func(event) error) error {
	watching, stop := context.WithCancel(ctx)
	defer stop()
	var state state
	var broken error
	err := registry.Watch(watching, service, func(s discovery.Snapshot) {
		now := time.Now()
		for _, e := range state.next(s) {
			if broken != nil {
				return
			}
			e.Time = now
			if broken = show(e); broken != nil {
				stop()
			}
		}
	})
	switch {
	case broken != nil:
		return fmt.Errorf("print a change: %w", broken)
	case ctx.Err() != nil || errors.Is(err, context.Canceled):
		return nil
	case err != nil:
		return fmt.Errorf("watch service %q: %w", service, err)
	}
	return nil
}

// printer returns what prints one event, for people or as JSON.
func printer(env *command.Env, asJSON bool) func(event) error {
	if asJSON {
		encoder := json.NewEncoder(env.Stdout)
		encoder.SetEscapeHTML(false)
		return func(e event) error { return encoder.Encode(e) }
	}
	return func(e event) error {
		_, err := fmt.Fprintf(env.Stdout, "%s  %s\n", e.Time.Format(time.TimeOnly), command.OneLine(e.text()))
		return err
	}
}
