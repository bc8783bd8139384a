// Package deploy is "panda deploy": it combines what panda.yaml says with the services that are found in a workspace
// into a description of what is to run, and has files made of it for Compose, Kubernetes or systemd. It applies none of
// them.
package deploy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/spf13/cobra"

	"github.com/pandakit/panda/internal/allornone"
	"github.com/pandakit/panda/internal/cli/command"
	"github.com/pandakit/panda/internal/deploy"
	"github.com/pandakit/panda/internal/scaffold"
	"github.com/pandakit/panda/internal/workspace"
	"github.com/pandakit/panda/internal/workspace/config"
	"github.com/pandakit/panda/internal/workspace/find"
)

const long = `Write the files that run the services of a folder elsewhere, and the Consul that they are found in.

  compose     a compose.yaml for one host: three Consul servers, an agent, and each instance of each service
  kubernetes  manifests: Deployments with probes and budgets, Consul's servers, an agent on each node
  systemd     units for hosts without containers, with the commands that install them

Services, replicas, variables and their order are those of "panda up", from panda.yaml; its keys image, limits, secrets,
drain, expose and deploy say the rest. Variables that say where an instance of "panda up" listens (PANDA_ADDR) and registers
(CONSUL_HTTP_ADDR) are replaced by those of the target. The time that an instance has to end is the time that its calls may take.

Nothing is applied, and nothing is asked over a network but with --resolve. A secret goes by its name alone. Images have a
version: one without a tag, or with latest, is refused.

Exit codes: 0 written, 1 failed, 2 wrong usage.`

const example = `  panda deploy compose --tag 1.4               # ./deploy/compose, images NAME:1.4
  panda deploy kubernetes --resolve            # images pinned by the digest that they have now
  panda deploy kubernetes --consul consul:8500 # with a Consul that is there
  panda deploy systemd --output ../operations  # into a repository of its own
  panda deploy compose --output - | docker compose -p shop -f - up`

// options are the flags.
type options struct {
	output, tag, consul, language string
	force, resolve                bool
}

// New returns the command.
func New(env *command.Env) *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:     "deploy TARGET [FOLDER]",
		Short:   "Write files for Compose, Kubernetes or systemd",
		Long:    long,
		Example: example,
		Args:    targetAndFolder,
		RunE: func(cmd *cobra.Command, args []string) error {
			return explain(run(cmd.Context(), env, o, args))
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveFilterDirs
			}
			var names []string
			for _, t := range deploy.Targets() {
				names = append(names, string(t))
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&o.output, "output", "o", "", "`DIR` to write to, anywhere, or - to print; by default deploy/TARGET in FOLDER")
	flags.StringVar(&o.tag, "tag", "", "`VERSION` of the images that panda.yaml does not name")
	flags.StringVar(&o.consul, "consul", "", "`ADDRESS`, host:port, of a Consul that is there, in place of one that is deployed")
	flags.StringVar(&o.language, "lang", "", "language of README, `en or zh`; by default that of LC_ALL or LANG")
	flags.BoolVar(&o.resolve, "resolve", false, "ask the images' registries for digests and pin them")
	flags.BoolVarP(&o.force, "force", "f", false, "overwrite files that exist")
	return cmd
}

func targetAndFolder(_ *cobra.Command, args []string) error {
	switch len(args) {
	case 0:
		return errors.New("no TARGET given; known: compose, kubernetes, systemd")
	case 1, 2:
		return nil
	}
	return fmt.Errorf("%q is one argument too many", args[2])
}

// tagPattern is what a tag may be.
var tagPattern = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$`)

func run(ctx context.Context, env *command.Env, o options, args []string) error {
	target, err := deploy.ParseTarget(args[0])
	if err != nil {
		return err
	}
	language := scaffold.LanguageOf(cmp.Or(env.Getenv("LC_ALL"), env.Getenv("LC_MESSAGES"), env.Getenv("LANG")))
	if o.language != "" {
		if language, err = scaffold.ParseLanguage(o.language); err != nil {
			return err
		}
	}
	switch {
	case o.consul != "" && !config.IsAddress(o.consul):
		return command.Usagef("--consul is %q, want host:port, such as 10.0.0.5:8500", o.consul)
	case o.tag != "" && !tagPattern.MatchString(o.tag):
		return command.Usagef("--tag %q: a tag has letters, digits, and _ . - after the first", o.tag)
	case o.resolve && !target.Images():
		return command.Usagef("--resolve: units of %s run programs, not images", target)
	}
	shown := "."
	if len(args) > 1 {
		shown = args[1]
	}
	folder := absolute(env.Dir, shown)
	plan, err := describe(ctx, workspace.Folder{Path: folder, Shown: shown}, env.Environ(), o)
	if err != nil {
		return err
	}
	plan.Chinese = language == scaffold.Chinese
	if o.resolve {
		if err := plan.Resolve(ctx, authn.DefaultKeychain, nil); err != nil {
			return err
		}
	}
	files, err := deploy.Render(target, *plan)
	if err != nil {
		return err
	}
	if o.output == "-" {
		return show(env, files)
	}
	output, within := absolute(env.Dir, o.output), ""
	if o.output == "" {
		output, within = filepath.Join(folder, "deploy", string(target)), folder
		o.output = filepath.Join(shown, "deploy", string(target))
	}
	if err := deploy.Write(output, within, o.output, files, o.force); err != nil {
		return err
	}
	for _, f := range files {
		fmt.Fprintln(env.Stdout, "wrote", filepath.Join(o.output, f.Path))
	}
	fmt.Fprintf(env.Stdout, "nothing has been applied; %s says what to do\n", filepath.Join(o.output, "README.md"))
	return nil
}

func absolute(dir, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(dir, path)
}

// show prints what is applied, and no page for people: several YAML documents can be handed on as one.
func show(env *command.Env, files []deploy.File) error {
	var out strings.Builder
	printed := 0
	for _, f := range files {
		if f.Note || f.Path == "kustomization.yaml" {
			continue
		}
		if printed++; printed > 1 {
			out.WriteString("---\n")
		}
		if filepath.Ext(f.Path) != ".yaml" {
			fmt.Fprintf(&out, "# %s\n", f.Path)
		}
		out.Write(f.Content)
	}
	_, err := fmt.Fprint(env.Stdout, out.String())
	return err
}

// describe makes the description of what is to run of the services that are found and of panda.yaml.
func describe(ctx context.Context, folder workspace.Folder, environ []string, o options) (*deploy.Plan, error) {
	found, err := workspace.Load(ctx, []workspace.Folder{folder}, environ)
	if err != nil {
		return nil, err
	}
	root := found.Folders[0]
	file, err := config.Read(root, folder.Shown)
	if errors.Is(err, fs.ErrNotExist) {
		file, err = new(config.File), nil
	}
	if err != nil {
		return nil, err
	}
	settings := file.Deploy
	if settings == nil {
		settings = new(config.Deploy)
	}
	plan := &deploy.Plan{Project: projectName(root), Consul: deploy.Consul{
		Address: cmp.Or(o.consul, settings.Consul.Address), Image: settings.Consul.Image, Datacenter: settings.Consul.Datacenter,
		Servers: settings.Consul.Servers, Token: settings.Consul.Token, Config: settings.Consul.Config,
	}}
	for _, s := range found.Services {
		entry := new(config.Service)
		if at := slices.IndexFunc(file.Services, func(e config.Service) bool { return e.Name == s.Name }); at >= 0 {
			entry = &file.Services[at]
		}
		described, err := describeService(root, s, entry)
		if err != nil {
			return nil, err
		}
		if described.Image == "" && o.tag != "" {
			described.Image = imageOf(settings.Registry, s.Name, o.tag)
		}
		plan.Services = append(plan.Services, *described)
	}
	return plan, nil
}

func describeService(root string, s *workspace.Service, entry *config.Service) (*deploy.Service, error) {
	relative, err := filepath.Rel(root, s.Dir)
	if err != nil {
		return nil, err
	}
	d := &deploy.Service{
		Name: s.Name, Source: "./" + filepath.ToSlash(relative), Image: entry.Image, Replicas: s.Replicas, Env: s.Env, Args: s.Args,
		After: s.After, Oneshot: s.Oneshot, MilliCPU: entry.Limits.MilliCPU, Memory: entry.Limits.Memory, Drain: deploy.DefaultDrain,
		Expose: entry.Expose,
	}
	if relative == "." {
		d.Source = "."
	}
	if entry.Drain != nil {
		d.Drain = *entry.Drain
	}
	for _, secret := range entry.Secrets {
		d.Secrets = append(d.Secrets, deploy.Secret{Variable: secret.Variable, Reference: secret.Reference})
	}
	return d, nil
}

func imageOf(registry, name, tag string) string {
	if registry != "" {
		registry += "/"
	}
	return registry + name + ":" + tag
}

// maxProject bounds the name that is made of the folder's.
const maxProject = 40

// projectName makes a DNS label of the folder's name: what no label can have becomes a hyphen.
func projectName(folder string) string {
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(filepath.Base(folder)))
	name = name[:min(len(name), maxProject)]
	return cmp.Or(strings.Trim(name, "-0123456789"), "panda")
}

// explain tells wrong input from what fails, and what to do about it.
func explain(err error) error {
	if wrong, ok := errors.AsType[*deploy.InputError](err); ok {
		err = command.Usage(err)
		if wrong.Do != "" {
			err = command.Advise(err, wrong.Do)
		}
		return err
	}
	if wrong, ok := errors.AsType[*scaffold.InputError](err); ok {
		return command.Usage(wrong)
	}
	if errors.Is(err, allornone.ErrExists) {
		return command.Advise(err, "choose another folder with --output, or overwrite them with --force")
	}
	if isInput[*workspace.FolderError](err) || isInput[*find.NoModuleError](err) || isInput[*config.Error](err) || isInput[*workspace.DuplicateError](err) {
		return command.Usage(err)
	}
	return err
}

func isInput[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}
