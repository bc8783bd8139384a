// Package services is "panda services": all services that the registry knows, and how many of their
// instances can be called. It only asks, and changes nothing.
package services

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/pandakit/panda/discovery"
	"github.com/pandakit/panda/internal/cli/command"
)

// lookupsAtOnce bounds how many services are asked about at the same time.
const lookupsAtOnce = 16

// New returns the command.
func New(env *command.Env) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "services",
		Short: "List the services that the registry knows",
		Long: `List the services that the registry knows, with the number of their instances, how many
of those are passing and can be called, and the tags that any instance has.

"panda instances NAME" tells why an instance is not passing.`,
		Example: "  panda services\n  panda services --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return run(cmd.Context(), env, asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// row is one service.
type row struct {
	Name      string   `json:"name"`
	Instances int      `json:"instances"`
	Passing   int      `json:"passing"`
	Tags      []string `json:"tags"` // of all instances, sorted
	// Error says why the service could not be looked up: its name is one that only other programs can use.
	Error string `json:"error,omitempty"`
}

func run(ctx context.Context, env *command.Env, asJSON bool) error {
	registry, err := command.Registry(env)
	if err != nil {
		return err
	}
	rows, err := list(ctx, registry)
	if err != nil {
		return err
	}
	if asJSON {
		return env.PrintJSON(rows)
	}
	cells := make([][]string, 0, len(rows))
	for _, r := range rows {
		if r.Error != "" {
			cells = append(cells, []string{r.Name, "?", "?", command.OneLine(r.Error)})
			continue
		}
		cells = append(cells, []string{r.Name, strconv.Itoa(r.Instances), strconv.Itoa(r.Passing), strings.Join(r.Tags, ",")})
	}
	return env.PrintTable([]string{"NAME", "INSTANCES", "PASSING", "TAGS"}, cells)
}

func list(ctx context.Context, registry discovery.Registry) ([]row, error) {
	names, err := command.Services(ctx, registry)
	if err != nil {
		return nil, err
	}
	rows := make([]row, len(names))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(lookupsAtOnce)
	for i, name := range names {
		group.Go(func() error {
			snapshot, err := command.Lookup(ctx, registry, name)
			if _, gone := errors.AsType[*discovery.NotFoundError](err); gone {
				return nil // it left since its name was told
			}
			if odd, ok := errors.AsType[*command.NameError](err); ok {
				rows[i] = row{Name: name, Tags: []string{}, Error: odd.Error()}
				return nil // one name that is no use to us is no reason to hide the others
			}
			rows[i] = summary(name, snapshot)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(rows, func(r row) bool { return r.Instances == 0 && r.Error == "" }), nil
}

func summary(name string, snapshot discovery.Snapshot) row {
	r := row{Name: name, Instances: len(snapshot.Instances), Passing: len(snapshot.Usable()), Tags: []string{}}
	for _, instance := range snapshot.Instances {
		r.Tags = append(r.Tags, instance.Tags...)
	}
	slices.Sort(r.Tags)
	r.Tags = slices.Compact(r.Tags)
	return r
}
