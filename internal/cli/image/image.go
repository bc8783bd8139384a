// Package image is "panda image": it finds services as "panda up" does, has them compiled and packed, and hands the
// images to a container engine, a registry, an archive or a folder. It runs none of them, and pulls nothing.
package image

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pandakit/panda/internal/cli/command"
	oci "github.com/pandakit/panda/internal/image"
)

const long = `Make images of services, all of those below the current folder by default, without a
container engine: a static program for Linux, root certificates, time zones and a user
without rights (65532), and no shell. The same source, tag and Go release give the same
digest, on any machine.

Images go into the local container engine, for its platform; with --push to a registry,
with the credentials that "docker login" has stored, and with --layout into a folder, both
for linux/amd64 and linux/arm64; or with --tarball into a file for "docker load". A bill
of materials (SPDX) goes with them: as a referrer, or beside the file.

A service listens on port 8080 (PANDA_ADDR), and is asked over gRPC's health protocol
whether it serves by a small program that is in the image. Neither args nor env of
panda.yaml are in an image: they are for this machine. Options of the Go collector are the
container's: set GOMEMLIMIT below its memory limit, and then GOGC=400 makes it faster.

The tag is what "git describe" says, "dev" outside of Git. With --dockerfile nothing is
compiled: a Dockerfile that gives the same image is written. With --binary a program that
exists is packed the same way; arguments behind -- become its own.`

const example = `  panda image                                     # all services, into the local engine
  panda image hello web --tag 1.2.0 --push registry.example.com/shop
  panda image hello --tarball hello.tar --platform linux/arm64
  panda image hello --dockerfile hello/Dockerfile
  panda image --binary ./consul --name consul:1.12.9 --volume /consul/data --expose 8500 -- agent`

// options are the flags.
type options struct {
	dir        string
	platforms  []string
	tag        string
	name       string
	push       string
	tarball    string
	layout     string
	load       bool
	dockerfile string
	binary     string
	env        []string
	expose     []string
	volumes    []string
	health     string
	plainHTTP  bool
	json       bool

	destinations int // how many flags name one
}

// New returns the command.
func New(env *command.Env) *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:     "image [SERVICE…]",
		Short:   "Make images of services, without a container engine",
		Long:    long,
		Example: example,
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, name := range []string{"push", "tarball", "layout", "load", "dockerfile"} {
				if cmd.Flags().Changed(name) {
					o.destinations++
				}
			}
			if err := o.check(cmd.Flags().Changed, args); err != nil {
				return err
			}
			return interrupted(cmd.Context(), run(cmd.Context(), env, o, args))
		},
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			return complete(cmd.Context(), env, o.dir, args), cobra.ShellCompDirectiveNoFileComp
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.dir, "dir", ".", "look for services below this `folder`")
	flags.StringSliceVar(&o.platforms, "platform", nil, "`PLATFORM`s, such as linux/amd64,linux/arm64; an engine or archive takes one")
	flags.StringVarP(&o.tag, "tag", "t", "", "`TAG` and version; what \"git describe\" says when it is not given")
	flags.StringVar(&o.name, "name", "", "`NAME[:TAG]` of the one image that is made, with its registry if it has one")
	flags.BoolVar(&o.load, "load", false, "load into the local container engine, as without any of the next")
	flags.StringVar(&o.push, "push", "", "push to `REPOSITORY`, below which each service has its own")
	flags.StringVar(&o.tarball, "tarball", "", "write a `file` for \"docker load\"")
	flags.StringVar(&o.layout, "layout", "", "write an OCI layout to this `folder`")
	flags.StringVar(&o.dockerfile, "dockerfile", "", "write a Dockerfile to this `file`, - for standard output, and nothing else")
	flags.StringVar(&o.binary, "binary", "", "pack this `program`, static and for Linux, in place of services")
	flags.StringArrayVarP(&o.env, "env", "e", nil, "set `NAME=VALUE` in the image (repeatable)")
	flags.StringSliceVar(&o.expose, "expose", nil, "tell that the program listens on `PORT`s, such as 8500 or 8600/udp, too")
	flags.StringArrayVar(&o.volumes, "volume", nil, "let the program write to this `folder` of the image, a volume (repeatable)")
	flags.StringVar(&o.health, "health", "", "ask with this `command`, its words parted by spaces, whether the program is well; none: do not ask")
	flags.BoolVar(&o.plainHTTP, "plain-http", false, "push without TLS to another machine, where others can read and change what is sent")
	flags.BoolVar(&o.json, "json", false, "print JSON")
	return cmd
}

// check tells what makes no sense together.
func (o *options) check(set func(string) bool, args []string) error {
	switch {
	case o.destinations > 1:
		return command.Usagef("image: --load, --push, --tarball, --layout and --dockerfile name one place each; give one of them")
	case set("binary") && o.binary == "", set("push") && o.push == "", set("tarball") && o.tarball == "",
		set("layout") && o.layout == "", set("dockerfile") && o.dockerfile == "", set("name") && o.name == "":
		return command.Usagef("image: --binary, --name, --push, --tarball, --layout and --dockerfile want a value that is not empty")
	case o.binary != "" && o.name == "":
		return command.Usagef("image: --binary %s: give its image a name, such as --name consul:1.12.9", o.binary)
	case o.binary != "" && o.dockerfile != "":
		return command.Usagef("image: --binary and --dockerfile: a program that is compiled already needs no Dockerfile")
	case o.plainHTTP && o.push == "":
		return command.Usagef("image: --plain-http is of --push, which is not given")
	case o.dockerfile != "" && o.json:
		return command.Usagef("image: --dockerfile and --json: a Dockerfile is not JSON")
	case set("tag") && !validTag(o.tag):
		return command.Usagef("image: --tag %q: want letters, digits and . _ -, 128 at most, and no . or - in front", o.tag)
	case o.name != "" && len(args) > 1 && o.binary == "":
		return command.Usagef("image: --name %s: %d services cannot have one name", o.name, len(args))
	}
	if o.push = strings.TrimSuffix(o.push, "/"); o.push != "" {
		if err := oci.CheckReference(o.push + "/x"); err != nil {
			return command.Usagef("image: --push %q cannot have images below it: want a registry, and folders if any, such as registry.example.com/shop", o.push)
		}
	}
	if o.name != "" {
		if err := oci.CheckReference(o.name); err != nil {
			return command.Usagef("image: --name: %w", err)
		}
	}
	return nil
}

// run makes the images in a folder of its own, which it removes.
func run(ctx context.Context, env *command.Env, o options, args []string) error {
	temp, err := os.MkdirTemp("", "panda-image-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp) //nolint:errcheck // what is left is the system's to clear
	m := &maker{env: env, options: o, temp: temp}
	if err := m.setCreated(); err != nil {
		return err
	}
	jobs, err := m.find(ctx, args)
	if err != nil {
		return err
	}
	if o.dockerfile != "" {
		return m.writeDockerfile(ctx, jobs[0])
	}
	to, err := m.destination(ctx)
	if err != nil {
		return err
	}
	defer to.close()
	if err := m.choosePlatforms(to); err != nil {
		return err
	}
	if err := m.compile(ctx, jobs); err != nil {
		return err
	}
	images, err := m.pack(ctx, jobs)
	if err != nil {
		return err
	}
	if err := to.take(ctx, images); err != nil {
		return err
	}
	return m.report(to, images)
}

// interrupted replaces the error of work that was cut off.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return errors.New("image: interrupted")
	}
	return err
}

// completionTimeout bounds what a person who presses the tab key waits.
const completionTimeout = 5 * time.Second

func complete(ctx context.Context, env *command.Env, dir string, given []string) []string {
	ctx, cancel := context.WithTimeout(ctx, completionTimeout)
	defer cancel()
	work, err := load(ctx, env, dir)
	if err != nil {
		return nil
	}
	var names []string
	for _, s := range work.Services {
		if !slices.Contains(given, s.Name) {
			names = append(names, s.Name)
		}
	}
	return names
}
