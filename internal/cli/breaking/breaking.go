// Package breaking is "panda breaking": which changes of .proto files break someone, against a Git reference, a
// folder, a descriptor set, or what running instances serve. The rules are those of internal/protobuild/breaking;
// this package finds both sides and prints.
package breaking

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/pandakit/panda/internal/cli/command"
	"github.com/pandakit/panda/internal/cli/protosource"
	"github.com/pandakit/panda/internal/nearname"
	"github.com/pandakit/panda/internal/protobuild"
	"github.com/pandakit/panda/internal/protobuild/breaking"
	"github.com/pandakit/panda/internal/protobuild/place"
)

const long = `Compare the .proto files at and below each PATH, the current folder by default, with what
they were, and tell which changes break someone. --against says with what:

  main, v1.2.0, HEAD~1   a Git reference, read without touching the working tree
  ./other                a folder
  api.binpb              a descriptor set, as protoc --descriptor_set_out writes it
  registry               what the running instances of all services serve, by reflection
  registry:SERVICE       what those of one service serve: the check before an upgrade

--category says who must not be broken:

  wire      readers and writers of the binary form, and calls of methods that are still there
  json      these, and readers and writers of the JSON form
  source    these, and code that uses the generated code; the default
  callers   json, and calls of methods and services that are gone; the default for registry

The rules have the names and the judgement of buf's WIRE, WIRE_JSON and FILE; --rules lists
them. Rules and paths are left out with --ignore or in panda.yaml:

  proto:
    breaking:
      ignore: [FILE_SAME_GO_PACKAGE, acme/internal, "FIELD_SAME_NAME:acme/pet/v1/pet.proto"]

Exit codes: 0 nothing breaks, 1 failed, 2 wrong usage or panda.yaml, 3 findings.`

const example = `  panda breaking --against main
  panda breaking --against v1.2.0 --category json proto
  panda breaking --against registry:hello
  panda breaking --against released.binpb --json`

// comparer is one run of the command.
type comparer struct {
	env      *command.Env
	against  string
	category string
	ignore   []string
	asJSON   bool
	rules    bool
}

// New returns the command.
func New(env *command.Env) *cobra.Command {
	c := &comparer{env: env}
	cmd := &cobra.Command{
		Use:     "breaking --against REF|PATH|registry [PATH…]",
		Short:   "Compare .proto files with what they were, and tell what breaks",
		Long:    long,
		Example: example,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.run(cmd.Context(), args)
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return []string{"proto"}, cobra.ShellCompDirectiveFilterFileExt
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&c.against, "against", "", "compare with this Git `reference`, folder, descriptor set, or registry[:SERVICE]")
	flags.StringVar(&c.category, "category", "", "forbid what breaks these: `wire, json, source or callers`")
	flags.StringSliceVar(&c.ignore, "ignore", nil, "leave out these `rules`, files and folders, or rules in files, as RULE:path")
	flags.BoolVar(&c.rules, "rules", false, "list the rules")
	flags.BoolVar(&c.asJSON, "json", false, "print JSON")
	return cmd
}

func (c *comparer) run(ctx context.Context, paths []string) error {
	if c.rules {
		return c.listRules()
	}
	category, err := c.check()
	if err != nil {
		return err
	}
	projects, err := protosource.Load(ctx, c.env, paths...)
	if err != nil {
		if _, none := errors.AsType[*protobuild.NoFilesError](err); none {
			err = command.Advise(err, "give the folder that has them: panda breaking --against main ./folder")
		}
		return err
	}
	versions, err := c.versions(ctx, projects)
	if err != nil {
		return err
	}
	var all findings
	for _, v := range versions {
		if err := c.compare(&all, v, category); err != nil {
			return err
		}
	}
	return c.print(&all)
}

// check finds what is wrong with the flags before anything is read.
func (c *comparer) check() (breaking.Category, error) {
	if c.against == "" {
		err := command.Usagef("breaking: --against is not given")
		return "", command.Advise(err, "say what to compare with, such as --against main, --against ./old or --against registry")
	}
	category := breaking.Category(c.category)
	if category == "" {
		category = breaking.Source
		if _, registry := c.registryService(); registry {
			category = breaking.Callers
		}
	}
	if !slices.Contains(breaking.Categories(), category) {
		return "", command.Usagef("breaking: --category %q: want wire, json, source or callers", c.category)
	}
	_, err := breaking.Compare(nil, nil, breaking.Options{Ignore: c.ignore})
	if unknown, ok := errors.AsType[*breaking.UnknownError](err); ok {
		return "", unknownRule(command.Usagef("breaking: --ignore: %w%s", unknown, near(unknown.Rule)))
	}
	return category, err
}

func near(rule string) string {
	var known []string
	for _, r := range breaking.Rules() {
		known = append(known, r.ID)
	}
	if names := nearname.Of(rule, known); len(names) > 0 {
		return "; near: " + strings.Join(names, ", ")
	}
	return ""
}

func unknownRule(err error) error {
	return command.Advise(err, `see "panda breaking --rules" for what there is`)
}

// version is an earlier version of a project's files.
type version struct {
	project *protosource.Project
	before  []protoreflect.FileDescriptor
	// allowed are the current files that are compared: all of the project, or more when several projects' are one side.
	now      []protoreflect.FileDescriptor
	servedBy string // the instances that serve it; "" when it is not from a registry
}

// versions finds what to compare with.
func (c *comparer) versions(ctx context.Context, projects []*protosource.Project) ([]version, error) {
	if service, registry := c.registryService(); registry {
		return c.served(ctx, projects, service)
	}
	return c.stored(ctx, projects)
}

func (c *comparer) registryService() (name string, registry bool) {
	if c.against == "registry" {
		return "", true
	}
	return strings.CutPrefix(c.against, "registry:")
}

// finding is one change, and who serves what it breaks.
type finding struct {
	place.Place

	rule, message string
	breaks        []breaking.Category
	servedBy      []string
}

// findings are in the order in which they were found; one that several versions have is there once.
type findings struct{ list []finding }

func (f *findings) add(one finding, servedBy string) {
	for i := range f.list {
		if known := &f.list[i]; known.Place == one.Place && known.rule == one.rule && known.message == one.message {
			if servedBy != "" {
				known.servedBy = append(known.servedBy, servedBy)
			}
			return
		}
	}
	if servedBy != "" {
		one.servedBy = []string{servedBy}
	}
	f.list = append(f.list, one)
}

func (c *comparer) compare(all *findings, v version, category breaking.Category) error {
	options := breaking.Options{Category: category, Ignore: slices.Concat(c.ignore, protosource.Names(v.project.Config.BreakingIgnore))}
	list, err := breaking.Compare(v.before, v.now, options)
	if unknown, ok := errors.AsType[*breaking.UnknownError](err); ok {
		told := fmt.Errorf("%w%s", unknown, near(unknown.Rule))
		return unknownRule(v.project.At(v.project.Config.BreakingIgnore, unknown.Entry, told))
	}
	if err != nil {
		return err
	}
	for _, f := range list {
		if !v.project.Wanted(f.Place.Path) && v.project.Has(f.Place.Path) {
			continue
		}
		all.add(finding{Place: v.project.Shown(f.Place), rule: f.Rule, message: f.Message, breaks: f.Breaks}, v.servedBy)
	}
	return nil
}

// The shape of --json.
type listed struct {
	File     string              `json:"file"`
	Line     int                 `json:"line"`   // 0 when the whole file is meant
	Column   int                 `json:"column"` // 0 when the whole file is meant
	Rule     string              `json:"rule"`
	Message  string              `json:"message"`
	Breaks   []breaking.Category `json:"breaks"`
	ServedBy []string            `json:"served_by,omitempty"`
}

func (c *comparer) print(all *findings) error {
	if c.asJSON {
		list := []listed{}
		for _, f := range all.list {
			list = append(list, listed{f.Path, f.Line, f.Column, f.rule, f.message, append([]breaking.Category{}, f.breaks...), f.servedBy})
		}
		if err := c.env.PrintJSON(list); err != nil {
			return err
		}
	} else {
		for _, f := range all.list {
			fmt.Fprintf(c.env.Stdout, "%v: %s%s (%s)\n", f.Place, f.message, shownServers(f.servedBy), f.rule)
		}
	}
	switch len(all.list) {
	case 0:
		return nil
	case 1:
		return command.Findings(errors.New("breaking: 1 finding"))
	}
	return command.Findings(fmt.Errorf("breaking: %d findings", len(all.list)))
}

// serversShown bounds the instances that a line names.
const serversShown = 3

func shownServers(names []string) string {
	switch {
	case len(names) == 0:
		return ""
	case len(names) > serversShown:
		return fmt.Sprintf("; served by %s and %d more", strings.Join(names[:serversShown], ", "), len(names)-serversShown)
	}
	return "; served by " + strings.Join(names, ", ")
}

// The shape of --rules --json.
type listedRule struct {
	ID         string              `json:"id"`
	Categories []breaking.Category `json:"categories"`
	What       string              `json:"what"`
	Why        string              `json:"why"`
}

func (c *comparer) listRules() error {
	if c.asJSON {
		list := []listedRule{}
		for _, r := range breaking.Rules() {
			list = append(list, listedRule{r.ID, r.Categories, r.What, r.Why})
		}
		return c.env.PrintJSON(list)
	}
	var rows [][]string
	for _, r := range breaking.Rules() {
		var categories []string
		for _, category := range r.Categories {
			categories = append(categories, string(category))
		}
		rows = append(rows, []string{r.ID, strings.Join(categories, ","), strings.TrimSuffix(r.What, ".")})
	}
	return c.env.PrintTable([]string{"RULE", "CATEGORIES", "CHANGE"}, rows)
}
