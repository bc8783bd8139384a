// Package doctor is "panda doctor": one list of what a machine needs for panda to work, each entry with what is
// wrong and what to do. It asks and looks, and changes nothing.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pandakit/panda/internal/cli/agentapi"
	"github.com/pandakit/panda/internal/cli/command"
)

// patience bounds each question to another program.
const patience = 5 * time.Second

// level says how bad a finding is. Its text is part of the JSON that is printed.
type level string

const (
	fine    level = "ok"
	warning level = "warning" // something works less well, or will
	problem level = "problem" // something does not work
)

// finding is one line of the list.
type finding struct {
	Check string `json:"check"`
	Level level  `json:"level"`
	Text  string `json:"text"`
	Do    string `json:"do,omitempty"` // what the user can do about it
}

// patient is what is examined.
type patient struct {
	env     *command.Env
	flags   *agentapi.Flags
	dataDir string
}

// New returns the command.
func New(env *command.Env) *cobra.Command {
	p := &patient{env: env}
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check what panda needs on this machine",
		Long: `Check what panda needs on this machine: Go, the registry and its clock, the ports of an agent, proxies,
variables, the workspace, a real Consul, and the folders that are written to.

The exit code is 0 when there is no problem, warnings or not, and 3 when there is one.`,
		Example:     "  panda doctor\n  panda doctor --json\n  panda doctor -data-dir ./data",
		Annotations: command.ConsulFlags(),
		Args:        cobra.NoArgs,
		RunE:        func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), p, asJSON) },
	}
	cmd.Flags().StringVar(&p.dataDir, "data-dir", "", "check this `folder` of an agent, too")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	p.flags = agentapi.AddFlags(cmd.Flags())
	return cmd
}

// checks are all that is examined, in the order of the list.
func checks() []func(context.Context, *patient) []finding {
	return []func(context.Context, *patient) []finding{
		goTool, protoc, variables, registry, ports, proxies, workspaceFile, consul, folders,
	}
}

func run(ctx context.Context, p *patient, asJSON bool) error {
	var all []finding
	for _, check := range checks() {
		all = append(all, check(ctx, p)...)
		if ctx.Err() != nil {
			return errors.New("check this machine: interrupted")
		}
	}
	if err := show(p.env, all, asJSON); err != nil {
		return err
	}
	if n := count(all, problem); n > 0 {
		return command.Silent(command.ExitFindings, fmt.Errorf("%d problems", n))
	}
	return nil
}

func count(all []finding, of level) int {
	n := 0
	for _, f := range all {
		if f.Level == of {
			n++
		}
	}
	return n
}

func show(env *command.Env, all []finding, asJSON bool) error {
	if asJSON {
		return env.PrintJSON(all)
	}
	marks := map[level]string{fine: "✓", warning: "!", problem: "✗"}
	var b strings.Builder
	for _, f := range all {
		fmt.Fprintf(&b, "%s %s: %s\n", marks[f.Level], f.Check, command.OneLine(f.Text))
		if f.Do != "" {
			fmt.Fprintf(&b, "    %s\n", f.Do)
		}
	}
	fmt.Fprintf(&b, "%s, %s\n", amount(count(all, problem), "problem"), amount(count(all, warning), "warning"))
	_, err := fmt.Fprint(env.Stdout, b.String())
	return err
}

func amount(n int, noun string) string {
	switch n {
	case 0:
		return "no " + noun
	case 1:
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
