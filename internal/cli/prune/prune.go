// Package prune is "panda prune": it finds the registrations that services have left behind, and removes each where it is
// kept: at the agent that owns it, or from the catalog when that agent is gone.
//
// It never removes what answers, what is in maintenance, or what has no address that could be asked.
package prune

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/pandakit/panda/internal/cli/agentapi"
	"github.com/pandakit/panda/internal/cli/command"
)

const (
	defaultOlderThan = 5 * time.Second
	maxOlderThan     = time.Hour
)

type options struct {
	agent        *agentapi.Flags
	service      string
	olderThan    time.Duration
	failedAgents bool
	dryRun       bool
	force        bool
	asJSON       bool
}

// New returns the command.
func New(env *command.Env) *cobra.Command {
	o := new(options)
	cmd := &cobra.Command{
		Use:   "prune",
		Short: "Remove registrations that services have left behind",
		Long: `Remove registrations that services have left behind: those whose check is critical, and at whose address
nobody answers, both now and after --older-than. What is found is listed, and removed once you agree.

A registration belongs to the agent that it was made at, and is removed there: taken out of the catalog alone
it would come back. Only where that agent is no member of the cluster any more is it removed from
the catalog. An agent that the cluster has lost may come back with all its services; what belongs to it is
kept unless --failed-agents is given. Agents are asked on the port of the one that CONSUL_HTTP_ADDR names;
where one cannot be asked from here, run "panda prune" on its machine.

Run it where callers are: whether somebody answers is seen from here.

Exit codes: 0 nothing is left, 1 a removal failed, 3 some are left: not agreed to, --dry-run, or kept.`,
		Example: "  panda prune\n  panda prune --service orders --force\n  panda prune --dry-run --json",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context(), env) },
	}
	flags := cmd.Flags()
	flags.StringVar(&o.service, "service", "", "look at the instances of this service alone")
	flags.DurationVar(&o.olderThan, "older-than", defaultOlderThan, "look twice, this `time` apart: registries do not tell since when a check is critical")
	flags.BoolVar(&o.failedAgents, "failed-agents", false, "remove also what belongs to agents that the cluster has lost")
	flags.BoolVar(&o.dryRun, "dry-run", false, "only list what would be removed")
	flags.BoolVarP(&o.force, "force", "f", false, "remove without asking")
	flags.BoolVar(&o.asJSON, "json", false, "print JSON; removes only with --force")
	o.agent = agentapi.AddFlags(flags)
	_ = cmd.RegisterFlagCompletionFunc("service", command.CompleteService(env)) // the flag is there
	return cmd
}

func (o *options) run(ctx context.Context, env *command.Env) error {
	if o.olderThan < 0 || o.olderThan > maxOlderThan {
		return command.Usagef("prune: --older-than %v: want 0s to %v", o.olderThan, maxOlderThan)
	}
	if o.dryRun && o.force {
		return command.Usagef("prune: --dry-run removes nothing, and --force removes: give one of them")
	}
	agent, err := o.agent.Connect(env)
	if err != nil {
		return err
	}
	p := &pruner{agent: agent, knock: knock, failedAgents: o.failedAgents}
	found, err := o.find(ctx, env, p)
	if err != nil {
		return err
	}
	if !o.asJSON {
		if err := list(env, found); err != nil {
			return err
		}
	}
	agreed, err := o.agreed(env, found)
	if err != nil {
		return err
	}
	if agreed {
		p.removeAll(ctx, found)
	}
	return o.tell(env, found, agreed)
}

// find looks twice, and tells before it waits.
func (o *options) find(ctx context.Context, env *command.Env, p *pruner) ([]*leftover, error) {
	found, err := p.look(ctx, o.service)
	if err != nil {
		return nil, err
	}
	if len(found) > 0 && o.olderThan > 0 {
		fmt.Fprintf(env.Stderr, "%s critical, and nobody answers there; looking again in %v\n", are(len(found)), o.olderThan)
		timer := time.NewTimer(o.olderThan)
		defer timer.Stop()
		select {
		case <-ctx.Done():
			return nil, errors.New("interrupted; nothing was removed")
		case <-timer.C:
		}
		if found, err = p.lookAgain(ctx, found); err != nil {
			return nil, err
		}
	}
	return found, p.plan(ctx, found)
}

func are(n int) string {
	if n == 1 {
		return "1 registration is"
	}
	return command.Count(n, "registration") + " are"
}

func list(env *command.Env, found []*leftover) error {
	if len(found) == 0 {
		_, err := fmt.Fprintln(env.Stdout, "Nothing is left behind.")
		return err
	}
	cells := make([][]string, 0, len(found))
	for _, l := range found {
		cells = append(cells, []string{l.Service, l.ID, l.Address, l.Node, command.OneLine(l.Reason), l.action()})
	}
	return env.PrintTable([]string{"SERVICE", "ID", "ADDRESS", "NODE", "REASON", "ACTION"}, cells)
}

// agreed reports whether what can be removed is to be removed.
func (o *options) agreed(env *command.Env, found []*leftover) (bool, error) {
	n := removable(found)
	switch {
	case n == 0 || o.dryRun:
		return false, nil
	case o.force:
		return true, nil
	case o.asJSON:
		return false, nil
	}
	in, out := terminal(env.Stdin), terminal(env.Stdout)
	if in == nil || out == nil {
		return false, nil
	}
	before, err := term.MakeRaw(int(in.Fd())) // Ctrl-C is an answer then: nobody else could end the reading
	if err != nil {
		return false, nil //nolint:nilerr // it is no terminal that can be asked on
	}
	yes, err := ask(both{in, out}, n)
	if restored := term.Restore(int(in.Fd()), before); err == nil {
		err = restored
	}
	return yes, err
}

// both are the two directions of a terminal.
type both struct {
	io.Reader
	io.Writer
}

// terminal is the stream as a file, if it is a terminal, or nil.
func terminal(stream any) *os.File {
	if file, ok := stream.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		return file
	}
	return nil
}

func ask(terminal io.ReadWriter, n int) (bool, error) {
	lines := term.NewTerminal(terminal, fmt.Sprintf("Remove %s? [y/N] ", command.Count(n, "registration")))
	line, err := lines.ReadLine()
	if errors.Is(err, io.EOF) {
		return false, errors.New("interrupted; nothing was removed")
	}
	if err != nil {
		return false, err
	}
	line = strings.ToLower(strings.TrimSpace(line))
	return line == "y" || line == "yes", nil
}

// tell prints what became of each, and makes of it the exit code.
func (o *options) tell(env *command.Env, found []*leftover, agreed bool) error {
	if o.asJSON {
		if err := env.PrintJSON(append([]*leftover{}, found...)); err != nil {
			return err
		}
	}
	var removed, failed, left int
	var first *leftover
	for _, l := range found {
		switch {
		case l.Removed:
			removed++
		case l.Error != "":
			if failed++; first == nil {
				first = l
			}
		default:
			left++
		}
	}
	if agreed && !o.asJSON {
		fmt.Fprintf(env.Stdout, "Removed %s.\n", command.Count(removed, "registration"))
	}
	switch {
	case failed > 0:
		return fmt.Errorf("remove %q of %q%s: %s", first.ID, first.Service, more(failed-1), first.Error)
	case left > 0:
		err := command.Findings(fmt.Errorf("%s left behind", are(left)))
		if n := removable(found); !agreed && !o.dryRun && n > 0 {
			return command.Advise(err, `"panda prune --force" removes without asking`)
		}
		return err
	}
	return nil
}

func more(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" (and %d more)", n)
}

// knock reports whether somebody takes connections at the address, and if not, why.
func knock(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, knockTimeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	return conn.Close()
}
