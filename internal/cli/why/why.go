// Package why is "panda why": which registry was asked for a service, when it answered, and of every instance
// whether calls go to it and why. It asks, tries to connect, and changes nothing.
package why

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/pandakit/panda/discovery"
	"github.com/pandakit/panda/internal/cli/command"
)

const (
	// dialTimeout is how long a connection to an instance may take before callers would call it dead.
	dialTimeout = 2 * time.Second
	dialsAtOnce = 32
)

// New returns the command.
func New(env *command.Env) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "why SERVICE",
		Short: "Tell why calls go where they go, or nowhere",
		Long: `Tell why calls to a service go where they go, or nowhere: which registry was asked and how soon it answered,
and of every instance whether it is used, and why not. An instance that passes its checks is connected to, from
this machine, without a word being sent.

The exit code is 1 when no instance is usable.`,
		Example:           "  panda why hello\n  panda why hello --json",
		Args:              command.OneService,
		ValidArgsFunction: command.CompleteService(env),
		RunE: func(cmd *cobra.Command, args []string) error {
			registry, err := command.Registry(env)
			if err != nil {
				return err
			}
			return run(cmd.Context(), env, registry, args[0], asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// report is all that was found out.
type report struct {
	Service   string     `json:"service"`
	Registry  string     `json:"registry"`
	Asked     time.Time  `json:"asked"`
	Answered  bool       `json:"answered"`
	Took      float64    `json:"seconds"` // until the answer, or until it was given up
	Error     string     `json:"error,omitempty"`
	Near      []string   `json:"near"`
	Usable    int        `json:"usable"`
	Instances []instance `json:"instances"`

	advice string
}

type instance struct {
	ID         string           `json:"id"`
	Address    string           `json:"address"`
	Node       string           `json:"node"`
	Datacenter string           `json:"datacenter"`
	Status     discovery.Status `json:"status"`
	Used       bool             `json:"used"`
	Reason     string           `json:"reason"`
}

func run(ctx context.Context, env *command.Env, registry discovery.Registry, service string, asJSON bool) error {
	r := report{Service: service, Registry: registry.String(), Asked: time.Now(), Near: []string{}, Instances: []instance{}}
	snapshot, err := command.Lookup(ctx, registry, service)
	r.Took = time.Since(r.Asked).Seconds()
	if ctx.Err() != nil {
		return err
	}
	r.answer(snapshot, err)
	r.judge(ctx, snapshot.Instances)
	if ctx.Err() != nil {
		return fmt.Errorf("explain service %q: interrupted", service)
	}
	if err := r.print(env, asJSON); err != nil {
		return err
	}
	if r.Usable == 0 {
		return command.Silent(command.ExitFailed, fmt.Errorf("no instance of service %q is usable", service))
	}
	return nil
}

// answer notes what the registry said, or why it said nothing.
func (r *report) answer(snapshot discovery.Snapshot, err error) {
	r.advice = command.Advice(err)
	missing, notFound := errors.AsType[*discovery.NotFoundError](err)
	away, unreachable := errors.AsType[*discovery.UnreachableError](err)
	switch {
	case notFound:
		r.Answered, r.Near = true, append(r.Near, missing.Near...)
	case unreachable:
		r.Error = away.Err.Error()
	case err != nil:
		r.Error = err.Error()
	case snapshot.Err != nil:
		r.Error = snapshot.Err.Error()
	default:
		r.Answered = true
	}
}

// judge decides of each instance as a caller does: it must be passing, take connections, and be among the
// nearest of those.
func (r *report) judge(ctx context.Context, instances []discovery.Instance) {
	refused := make([]string, len(instances))
	group := new(errgroup.Group)
	group.SetLimit(dialsAtOnce)
	for i := range instances {
		if instances[i].Usable() {
			group.Go(func() error {
				refused[i] = connect(ctx, instances[i].Endpoint())
				return nil
			})
		}
	}
	_ = group.Wait() // no call returns an error
	nearest := -1
	for i := range instances {
		if d := instances[i].Distance; instances[i].Usable() && refused[i] == "" && (nearest < 0 || d < nearest) {
			nearest = d
		}
	}
	for i := range instances {
		in := &instances[i]
		row := instance{ID: in.ID, Address: in.Endpoint(), Node: in.Node, Datacenter: in.Datacenter, Status: in.Status()}
		row.Used, row.Reason = verdict(in, refused[i], nearest)
		if row.Used {
			r.Usable++
		}
		r.Instances = append(r.Instances, row)
	}
}

func verdict(in *discovery.Instance, refused string, nearest int) (used bool, reason string) {
	switch {
	case !in.Usable():
		return false, command.Unusable(in)
	case refused != "":
		return false, "passing, but no connection from this machine: " + refused
	case in.Distance > nearest:
		return false, "passing, but nearer datacenters have usable instances"
	case len(in.Checks) == 0:
		return true, "it has no checks, and takes connections"
	}
	return true, "passing, and takes connections"
}

// connect returns why no connection can be made, or "".
func connect(ctx context.Context, address string) string {
	dialer := net.Dialer{Timeout: dialTimeout}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err == nil {
		_ = conn.Close() // nothing was sent
		return ""
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && !op.Timeout() {
		return op.Err.Error()
	}
	return fmt.Sprintf("no answer within %v", dialTimeout)
}

func (r *report) print(env *command.Env, asJSON bool) error {
	if asJSON {
		return env.PrintJSON(r)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "service   %s\nregistry  %s, %s\n", r.Service, r.Registry, r.answered())
	for _, in := range r.Instances {
		mark, used := "✗", "not used"
		if in.Used {
			mark, used = "✓", "used"
		}
		fmt.Fprintf(&b, "%s %s at %s on %s: %s: %s\n", mark, in.ID, in.Address, in.Node, used, command.OneLine(in.Reason))
	}
	fmt.Fprintln(&b, r.conclusion())
	_, err := fmt.Fprint(env.Stdout, b.String())
	return err
}

func (r *report) answered() string {
	took := time.Duration(r.Took * float64(time.Second)).Round(time.Millisecond / 10)
	if r.Answered {
		return fmt.Sprintf("answered at %s within %v", r.Asked.Format(time.TimeOnly), took)
	}
	return fmt.Sprintf("asked at %s, does not answer: %s", r.Asked.Format(time.TimeOnly), command.OneLine(r.Error))
}

func (r *report) conclusion() string {
	switch {
	case !r.Answered && len(r.Instances) == 0:
		return "no call can be sent: nothing is known of its instances; " + r.advice
	case len(r.Instances) == 0 && len(r.Near) > 0:
		return "no call can be sent: the registry has no such service; near: " + strings.Join(r.Near, ", ")
	case len(r.Instances) == 0:
		return "no call can be sent: the registry has no such service"
	case r.Usable == 0 && len(r.Instances) == 1:
		return "no call can be sent: its one instance is not usable"
	case r.Usable == 0:
		return fmt.Sprintf("no call can be sent: none of its %d instances is usable", len(r.Instances))
	}
	if len(r.Instances) == 1 {
		return "calls go to its one instance"
	}
	return fmt.Sprintf("calls go to %d of its %d instances", r.Usable, len(r.Instances))
}
