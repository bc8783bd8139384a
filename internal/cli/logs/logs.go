// Package logs is "panda logs": what the services of a running "panda up" have written last, and write. It only
// asks, and changes nothing.
package logs

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/pandakit/panda/internal/cli/command"
	"github.com/pandakit/panda/internal/cli/running"
	merged "github.com/pandakit/panda/internal/workspace/logs"
	"github.com/pandakit/panda/internal/workspace/tail"
)

// defaultLines is how many lines are shown of the past.
const defaultLines = 100

const long = `Show the last lines that the services of a running "panda up" have written, of all services when
none is named, in the order in which they were written, each behind its instance's name.

Kept are the last 1000 lines of each instance, or 256 KiB of them.

` + running.Help

// options are the flags.
type options struct {
	follow bool
	lines  int
	json   bool
}

// New returns the command.
func New(env *command.Env) *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "logs [SERVICE…]",
		Short: "Show what running services write",
		Long:  long,
		Example: `  panda logs
  panda logs hello -n 20
  panda logs -f hello web
  panda logs --json hello`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: running.Complete(env, running.Many),
		RunE: func(cmd *cobra.Command, args []string) error {
			return run(cmd.Context(), env, o, args)
		},
	}
	cmd.Flags().BoolVarP(&o.follow, "follow", "f", false, "go on with new lines until Ctrl-C, or the end of panda up")
	cmd.Flags().IntVarP(&o.lines, "lines", "n", defaultLines, "show the last `N` lines of the past, at most "+strconv.Itoa(tail.MaxLines)+" of an instance")
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON, one object a line, with time, service and instance")
	return cmd
}

func run(ctx context.Context, env *command.Env, o options, services []string) error {
	if o.lines < 0 {
		return command.Usagef("--lines %d: want a number from 0", o.lines)
	}
	client, err := running.Connect(env)
	if err != nil {
		return err
	}
	err = client.Logs(ctx, services, o.lines, o.follow, printer(env, o.json, running.Labels(ctx, client)))
	if o.follow && ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil // Ctrl-C is how one stops to follow
	}
	return running.Explain(ctx, "show logs", err)
}

// printer returns what prints a line.
func printer(env *command.Env, asJSON bool, labels []string) func(tail.Line) error {
	if asJSON {
		encoder := json.NewEncoder(env.Stdout)
		encoder.SetEscapeHTML(false)
		return func(line tail.Line) error { return encoder.Encode(line) }
	}
	out := merged.New(env.Stdout, labels, env.Color)
	streams := make(map[string]*merged.Stream)
	return func(line tail.Line) error {
		stream := streams[line.Instance]
		if stream == nil {
			stream = out.Stream(line.Instance)
			streams[line.Instance] = stream
		}
		_, err := stream.Write([]byte(line.Text + "\n"))
		return err
	}
}
