// Package members is "panda members": the nodes of the cluster that an agent belongs to, in Consul's own form.
// It only asks, and changes nothing.
package members

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pandakit/panda/internal/cli/agentapi"
	"github.com/pandakit/panda/internal/cli/command"
)

// allSegments asks for the members of every network segment.
const allSegments = "_all"

// malformedStatus is Consul's text.
const malformedStatus = "Failed to compile status regexp: %w"

// exitNone is Consul's exit code when no member fits.
const exitNone = 2

type options struct {
	agent                 *agentapi.Flags
	detailed, wan, asJSON bool
	status                string
	segment               string
}

// New returns the command.
func New(env *command.Env) *cobra.Command {
	o := new(options)
	cmd := &cobra.Command{
		Use:   "members",
		Short: "List the nodes of the cluster",
		Long: `List the nodes of the cluster that the agent belongs to: the address each is reached at, whether it is
alive, and the Consul that it runs. An agent of panda's own is always alone.

Flags are Consul's, with one dash or two.`,
		Example:     "  panda members\n  panda members -detailed\n  panda members --json",
		Annotations: command.ConsulFlags(),
		Args:        cobra.NoArgs,
		RunE:        func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context(), env) },
	}
	flags := cmd.Flags()
	flags.BoolVar(&o.detailed, "detailed", false, "show all tags of each node")
	flags.BoolVar(&o.wan, "wan", false, "list the servers of all datacenters")
	flags.StringVar(&o.status, "status", ".*", "list only nodes whose status fits this regular `expression`")
	flags.StringVar(&o.segment, "segment", allSegments, "list only nodes of this network `segment`, for Consul Enterprise")
	flags.BoolVar(&o.asJSON, "json", false, "print JSON")
	o.agent = agentapi.AddFlags(flags)
	return cmd
}

// member is one node as the agent tells it.
type member struct {
	Name   string
	Addr   string
	Port   uint16
	Tags   map[string]string
	Status int
}

// row is one node as JSON shows it.
type row struct {
	Node       string            `json:"node"`
	Address    string            `json:"address"`
	Status     string            `json:"status"`
	Type       string            `json:"type"`
	Build      string            `json:"build"`
	Protocol   string            `json:"protocol"`
	Datacenter string            `json:"datacenter"`
	Partition  string            `json:"partition"`
	Segment    string            `json:"segment"`
	Tags       map[string]string `json:"tags"`
}

func (o *options) run(ctx context.Context, env *command.Env) error {
	fits, err := regexp.Compile(o.status)
	if err != nil {
		return command.Usage(command.Verbatim(fmt.Errorf(malformedStatus, err))) //nolint:staticcheck // Consul's text
	}
	agent, err := o.agent.Connect(env)
	if err != nil {
		return err
	}
	query := url.Values{"segment": {o.segment}}
	if o.wan {
		query.Set("wan", "1")
	}
	var members []member
	if err := agent.Get(ctx, "/v1/agent/members", query, &members); err != nil {
		return command.Verbatim(fmt.Errorf("Error retrieving members: %w", err)) //nolint:staticcheck // Consul's text
	}
	var rows []row
	for _, m := range members {
		if r := o.row(m); fits.MatchString(r.Status) {
			rows = append(rows, r)
		}
	}
	slices.SortStableFunc(rows, inConsulsOrder)
	return o.print(env, rows)
}

func inConsulsOrder(a, b row) int {
	first := func(yesA, yesB bool) int {
		switch {
		case yesA == yesB:
			return 0
		case yesA:
			return -1
		}
		return 1
	}
	return cmp.Or(first(a.Type == "server", b.Type == "server"), first(a.Partition == "default", b.Partition == "default"),
		cmp.Compare(a.Segment, b.Segment), cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Node, b.Node))
}

func (o *options) row(m member) row {
	tags := maps.Clone(m.Tags)
	if tags == nil {
		tags = make(map[string]string)
	}
	server := tags["role"] == "consul"
	if tags["ap"] == "" {
		tags["ap"] = "default"
	}
	switch {
	case tags["ap"] != "default":
		tags["segment"] = ""
	case o.segment == allSegments && server:
		tags["segment"] = "<all>"
	case tags["segment"] == "":
		tags["segment"] = "<default>"
	}
	r := row{
		Node: m.Name, Address: net.JoinHostPort(m.Addr, strconv.Itoa(int(m.Port))), Status: statusName(m.Status),
		Type: "unknown", Partition: tags["ap"], Segment: tags["segment"], Tags: tags,
	}
	if server {
		r.Type = "server"
	} else if tags["role"] == "node" {
		r.Type = "client"
	}
	r.Build, _, _ = strings.Cut(cmp.Or(tags["build"], "< 0.3"), ":")
	r.Protocol, r.Datacenter = tags["vsn"], tags["dc"]
	return r
}

// statusName returns the word of gossip for a status.
func statusName(status int) string {
	names := []string{"none", "alive", "leaving", "left", "failed"}
	if status < 0 || status >= len(names) {
		return "unknown"
	}
	return names[status]
}

func (o *options) print(env *command.Env, rows []row) error {
	if o.asJSON {
		if err := env.PrintJSON(append([]row{}, rows...)); err != nil {
			return err
		}
	}
	if len(rows) == 0 {
		none := errors.New("no member of the cluster has such a status")
		if env.CalledConsul() { // which says so by its exit code alone
			return command.Silent(exitNone, none)
		}
		return command.Exit(exitNone, none)
	}
	if o.asJSON {
		return nil
	}
	cells := make([][]string, 0, len(rows))
	if o.detailed {
		for _, r := range rows {
			cells = append(cells, []string{r.Node, r.Address, r.Status, tagList(r.Tags)})
		}
		return env.PrintTable([]string{"Node", "Address", "Status", "Tags"}, cells)
	}
	for _, r := range rows {
		line := []string{r.Node, r.Address, r.Status, r.Type}
		if r.Type != "unknown" {
			line = append(line, r.Build, r.Protocol, r.Datacenter, r.Partition, r.Segment)
		}
		cells = append(cells, line)
	}
	return env.PrintTable([]string{"Node", "Address", "Status", "Type", "Build", "Protocol", "DC", "Partition", "Segment"}, cells)
}

func tagList(tags map[string]string) string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(tags)) {
		list = append(list, name+"="+tags[name])
	}
	return strings.Join(list, ",")
}
