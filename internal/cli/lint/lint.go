// Package lint is "panda lint": what is unwise in .proto files, rule by rule. The rules are those of
// internal/protobuild/lint; this package finds the files, reads panda.yaml and prints.
package lint

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pandakit/panda/internal/cli/command"
	"github.com/pandakit/panda/internal/cli/protosource"
	"github.com/pandakit/panda/internal/nearname"
	"github.com/pandakit/panda/internal/protobuild"
	"github.com/pandakit/panda/internal/protobuild/lint"
	"github.com/pandakit/panda/internal/protobuild/place"
)

const long = `Find what is unwise in the .proto files at and below each PATH, the current folder by default:
names, packages, numbers and comments that will hurt later. Files must compile.

Each finding is one line: file:line:col: message (RULE). --rules lists the rules, --explain
tells one with an example. Rules are switched off with --disable, by rule or category, in
panda.yaml, or at one element by a comment that says why:

  proto:
    lint:
      disable: [SERVICE_SUFFIX, comments]

  // panda:lint-ignore SERVICE_SUFFIX the name is printed on the devices

Exit codes: 0 nothing found, 1 failed, 2 wrong usage or panda.yaml, 3 findings.`

const example = `  panda lint
  panda lint proto/acme/pet/v1 --disable comments
  panda lint --enable strict --json
  panda lint --explain ENUM_ZERO_VALUE_SUFFIX`

// linter is one run of the command.
type linter struct {
	env     *command.Env
	options lint.Options
	asJSON  bool
	explain string
	rules   bool
}

// New returns the command.
func New(env *command.Env) *cobra.Command {
	l := &linter{env: env}
	cmd := &cobra.Command{
		Use:     "lint [PATH…]",
		Short:   "Find what is unwise in .proto files",
		Long:    long,
		Example: example,
		RunE: func(cmd *cobra.Command, args []string) error {
			return l.run(cmd.Context(), args)
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return []string{"proto"}, cobra.ShellCompDirectiveFilterFileExt
		},
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&l.options.Disable, "disable", nil, "switch off these `rules` or categories")
	flags.StringSliceVar(&l.options.Enable, "enable", nil, "switch on these `rules` or categories")
	flags.StringVar(&l.explain, "explain", "", "tell what a `RULE` wants and why, with an example")
	flags.BoolVar(&l.rules, "rules", false, "list the rules")
	flags.BoolVar(&l.asJSON, "json", false, "print JSON")
	for _, name := range []string{"disable", "enable", "explain"} {
		err := cmd.RegisterFlagCompletionFunc(name, func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return lint.Names(), cobra.ShellCompDirectiveNoFileComp
		})
		if err != nil {
			panic(err) // the flag is defined above
		}
	}
	return cmd
}

func (l *linter) run(ctx context.Context, paths []string) error {
	switch {
	case l.explain != "" && l.rules:
		return command.Usagef("lint: --explain and --rules are two questions; ask one")
	case l.explain != "":
		return l.explainRule()
	case l.rules:
		return l.listRules()
	}
	if _, err := lint.Check(nil, l.options); err != nil {
		return unknownRule(command.Usagef("lint: %w", err))
	}
	projects, err := protosource.LoadByPackages(ctx, l.env, paths...)
	if err != nil {
		if _, none := errors.AsType[*protobuild.NoFilesError](err); none {
			err = command.Advise(err, "give the folder that has them: panda lint ./folder")
		}
		return err
	}
	var all []finding
	for _, p := range projects {
		found, err := l.check(p)
		if err != nil {
			return err
		}
		all = append(all, found...)
	}
	return l.print(all)
}

func unknownRule(err error) error {
	return command.Advise(err, `see "panda lint --rules" for what there is`)
}

// finding is a finding with its file as the user sees it.
type finding struct {
	place.Place

	rule, message string
}

func (l *linter) check(p *protosource.Project) ([]finding, error) {
	options := l.options
	options.Disable = slices.Concat(options.Disable, protosource.Names(p.Config.LintDisable))
	list, err := lint.Check(p.Files, options)
	if unknown, ok := errors.AsType[*lint.UnknownError](err); ok {
		return nil, unknownRule(p.At(p.Config.LintDisable, unknown.Entry, unknown))
	}
	if err != nil {
		return nil, err
	}
	var found []finding
	for _, f := range list {
		if p.Wanted(f.Place.Path) {
			found = append(found, finding{p.Shown(f.Place), f.Rule, f.Message})
		}
	}
	return found, nil
}

// The shape of --json.
type listed struct {
	File     string `json:"file"`
	Line     int    `json:"line"`   // 0 when the whole file is meant
	Column   int    `json:"column"` // 0 when the whole file is meant
	Rule     string `json:"rule"`
	Category string `json:"category"`
	Message  string `json:"message"`
}

func (l *linter) print(all []finding) error {
	if l.asJSON {
		list := []listed{}
		for _, f := range all {
			rule, _ := lint.ByID(f.rule)
			list = append(list, listed{f.Path, f.Line, f.Column, f.rule, string(rule.Category), f.message})
		}
		if err := l.env.PrintJSON(list); err != nil {
			return err
		}
	} else {
		for _, f := range all {
			fmt.Fprintf(l.env.Stdout, "%v: %s (%s)\n", f.Place, f.message, f.rule)
		}
	}
	switch len(all) {
	case 0:
		return nil
	case 1:
		return command.Findings(errors.New("lint: 1 finding"))
	}
	return command.Findings(fmt.Errorf("lint: %d findings", len(all)))
}

func (l *linter) explainRule() error {
	rule, ok := lint.ByID(strings.ToUpper(l.explain))
	if !ok {
		err := &lint.UnknownError{Entry: l.explain, Near: nearname.Of(strings.ToUpper(l.explain), lint.Names())}
		return unknownRule(command.Usagef("lint: --explain: %w", err))
	}
	if l.asJSON {
		return l.env.PrintJSON(listRule(&rule))
	}
	_, err := fmt.Fprint(l.env.Stdout, rule.Explain())
	return err
}

// The shape of --rules --json.
type listedRule struct {
	ID       string `json:"id"`
	Category string `json:"category"`
	Default  bool   `json:"default"` // on unless it is switched off
	Text     string `json:"text"`
	Bad      string `json:"bad"`
	Good     string `json:"good"`
}

func listRule(r *lint.Rule) listedRule {
	return listedRule{r.ID, string(r.Category), r.Category.Default(), r.Text, r.Bad, r.Good}
}

func (l *linter) listRules() error {
	if l.asJSON {
		list := []listedRule{}
		for _, r := range lint.Rules() {
			list = append(list, listRule(&r))
		}
		return l.env.PrintJSON(list)
	}
	var rows [][]string
	for _, r := range lint.Rules() {
		state := "on"
		if !r.Category.Default() {
			state = "off"
		}
		first, _, _ := strings.Cut(r.Text, ". ")
		rows = append(rows, []string{r.ID, string(r.Category), state, strings.TrimSuffix(first, ".")})
	}
	return l.env.PrintTable([]string{"RULE", "CATEGORY", "DEFAULT", "WANTS"}, rows)
}
