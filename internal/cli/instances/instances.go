// Package instances is "panda instances": every instance of one service with its health and the reason
// for it. It only asks, and changes nothing.
package instances

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pandakit/panda/discovery"
	"github.com/pandakit/panda/internal/cli/command"
)

// outputShown is how many characters of a check's output a table shows; JSON has all of it.
const outputShown = 100

// New returns the command.
func New(env *command.Env) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "instances NAME",
		Short: "List the instances of a service",
		Long: `List the instances of a service, in every state: where each listens, its status, the node it
runs on, its version, and what the check says that keeps it from being called.`,
		Example:           "  panda instances hello\n  panda instances hello --json",
		Args:              command.OneService,
		ValidArgsFunction: command.CompleteService(env),
		RunE: func(cmd *cobra.Command, args []string) error {
			return run(cmd.Context(), env, args[0], asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, with tags, metadata and all checks")
	return cmd
}

// row is one instance.
type row struct {
	ID         string            `json:"id"`
	Service    string            `json:"service"`
	Address    string            `json:"address"` // host:port
	Status     discovery.Status  `json:"status"`
	Node       string            `json:"node"`
	Datacenter string            `json:"datacenter,omitempty"`
	Tags       []string          `json:"tags"`
	Meta       map[string]string `json:"meta"`
	Weight     int               `json:"weight"`
	Checks     []check           `json:"checks"`
}

type check struct {
	ID     string           `json:"id"`
	Name   string           `json:"name"`
	Status discovery.Status `json:"status"`
	Output string           `json:"output"`
}

func run(ctx context.Context, env *command.Env, service string, asJSON bool) error {
	registry, err := command.Registry(env)
	if err != nil {
		return err
	}
	snapshot, err := command.Lookup(ctx, registry, service)
	if err != nil {
		return err
	}
	if asJSON {
		rows := make([]row, 0, len(snapshot.Instances))
		for i := range snapshot.Instances {
			rows = append(rows, rowOf(&snapshot.Instances[i]))
		}
		return env.PrintJSON(rows)
	}
	cells := make([][]string, 0, len(snapshot.Instances))
	for i := range snapshot.Instances {
		in := &snapshot.Instances[i]
		cells = append(cells, []string{in.ID, in.Endpoint(), string(in.Status()), in.Node, in.Meta["version"], brief(failing(in))})
	}
	return env.PrintTable([]string{"ID", "ADDRESS", "STATUS", "NODE", "VERSION", "OUTPUT"}, cells)
}

func rowOf(in *discovery.Instance) row {
	r := row{
		ID: in.ID, Service: in.Service, Address: in.Endpoint(), Status: in.Status(), Node: in.Node, Datacenter: in.Datacenter,
		Tags: append([]string{}, in.Tags...), Meta: in.Meta, Weight: in.Weight, Checks: []check{},
	}
	if r.Meta == nil {
		r.Meta = map[string]string{}
	}
	for _, c := range in.Checks {
		r.Checks = append(r.Checks, check(c))
	}
	return r
}

// failing returns what the worst check says, "" when all are passing.
func failing(in *discovery.Instance) string {
	worst := in.Status()
	if worst == discovery.Passing {
		return ""
	}
	for _, c := range in.Checks {
		if c.Status == worst {
			return c.Output
		}
	}
	return ""
}

// brief is the first line of text, without what could steer a terminal, cut to outputShown characters.
func brief(text string) string {
	text, _, _ = strings.Cut(strings.TrimSpace(text), "\n")
	runes := []rune(command.Plain(text))
	if len(runes) > outputShown {
		return string(runes[:outputShown-1]) + "…"
	}
	return string(runes)
}
