// Package containers is the instances of a service that run as containers of one engine, as "panda upgrade", "scale" and
// "drain" act on them. It holds no command itself, pulls no image, and touches only containers that carry the service's
// label.
package containers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pandakit/panda/discovery"
	"github.com/pandakit/panda/internal/cli/command"
	"github.com/pandakit/panda/internal/engine"
	"github.com/pandakit/panda/internal/nearname"
	"github.com/pandakit/panda/internal/rollout"
)

const (
	// Grace is what a container has between SIGTERM and its end by force when it does not say: more than the second that
	// a Panda service serves on after it has left the registry, and the 30 that it drains for, unless it is told otherwise.
	Grace = 35 * time.Second
	// patience is how long an instance may take until it is passing.
	patience = 30 * time.Second
	// lookEvery is the time between two looks at a container that starts.
	lookEvery = 200 * time.Millisecond
	// rehearsalLabel marks a container that is no instance.
	rehearsalLabel = "dev.panda.rehearsal"
)

// Config is which containers are meant, and what new ones are made from.
type Config struct {
	Engine   *engine.Engine
	Registry discovery.Registry // the one that the containers register in
	Service  string
	Image    string // of new ones, which the engine has; "": that of the newest
	Project  string // the Compose project of the containers; "": any, if they are of one

	// Tell is told what is no failure and should be known all the same. May be nil.
	Tell func(text string)
}

// Fleet is the containers of one service. It is a [rollout.Fleet].
type Fleet struct {
	Config

	template *engine.Template
	newest   engine.Container
	prefix   string // of the names of its containers, up to the number
	mark     mark   // of the upgrade, once there is one
}

var _ rollout.Fleet = (*Fleet)(nil)

// NoneError says that the engine runs no container of a service.
type NoneError struct {
	Service string
	Host    string
	Stopped []string // names of containers of it that do not run
	Near    []string // names of services that are like it, and run
}

func (e *NoneError) Error() string {
	text := fmt.Sprintf("no container with the label %s=%s runs at %s", engine.ServiceLabel, e.Service, e.Host)
	if len(e.Stopped) > 0 {
		text += "; stopped: " + strings.Join(e.Stopped, ", ")
	}
	if len(e.Near) > 0 {
		text += "; near: " + strings.Join(e.Near, ", ")
	}
	return text
}

// Open finds the service's containers that run; with an image, it also reads from the newest what another one is made from. A
// service of which none runs is a *[NoneError]; containers that can have no second are an *[engine.NotTwiceError].
func Open(ctx context.Context, config Config) (*Fleet, error) {
	f := &Fleet{Config: config}
	if f.Tell == nil {
		f.Tell = func(string) {}
	}
	live, err := f.live(ctx)
	if err != nil {
		return nil, err
	}
	f.newest = pattern(live)
	f.Project = f.newest.Project()
	f.prefix, _ = numbered(f.newest.Name)
	if f.Image == "" {
		return f, nil
	}
	if err := f.known(ctx); err != nil {
		return nil, err
	}
	if err := f.read(ctx); err != nil {
		return nil, err
	}
	if err := f.sweep(ctx); err != nil {
		return nil, err
	}
	return f, nil
}

// read reads once what another container is made from.
func (f *Fleet) read(ctx context.Context) error {
	if f.template != nil {
		return nil
	}
	err := alone(&f.newest)
	if err == nil {
		f.template, err = f.Engine.Template(ctx, f.newest.ID)
	}
	if twice, ok := errors.AsType[*engine.NotTwiceError](err); ok {
		return command.Advise(err, twice.Advice)
	}
	return err
}

// known checks that the engine has the image.
func (f *Fleet) known(ctx context.Context) error {
	image, err := f.Engine.Image(ctx, f.Image)
	if _, missing := errors.AsType[*engine.MissingError](err); missing {
		return command.Advise(err, fmt.Sprintf("make it with \"panda image\" or \"docker build --tag %s\", or fetch it with \"docker pull %s\"", f.Image, f.Image))
	}
	if err == nil && image.Service != "" && image.Service != f.Service {
		err = fmt.Errorf("image %q is of service %q, not of %q", f.Image, image.Service, f.Service)
	}
	return err
}

// alone refuses what Panda itself knows that no two containers can have at once.
func alone(c *engine.Container) error {
	refuse := func(advice, format string, args ...any) error {
		return &engine.NotTwiceError{Container: c.Name, Reason: fmt.Sprintf(format, args...), Advice: advice}
	}
	if address := c.Env[advertiseVariable]; address != "" {
		return refuse("let the container be found at its own address: take the variable away", "it is found at PANDA_ADVERTISE=%s", address)
	}
	if c.NetworkMode != "host" {
		return nil
	}
	if address := c.Env[addressVariable]; portOf(address) != 0 {
		return refuse("take PANDA_ADDR away, and each gets a port of its own", "it listens on PANDA_ADDR=%s in the network of the host", address)
	}
	if c.Env[instanceVariable] == "" {
		return refuse("give it PANDA_INSTANCE, or a network of its own", "in the network of the host nothing but PANDA_INSTANCE tells which registered instance a container is, and it has none")
	}
	return nil
}

// live returns the containers that run, the oldest first, of one Compose project. There is at least one.
func (f *Fleet) live(ctx context.Context) ([]engine.Container, error) {
	all, err := f.Engine.List(ctx, f.Service)
	if err != nil {
		return nil, err
	}
	projects := map[string]bool{}
	var live []engine.Container
	none := &NoneError{Service: f.Service, Host: f.Engine.About().Host}
	for i := range all {
		c := &all[i]
		switch {
		case c.Labels[rehearsalLabel] != "", f.Project != "" && c.Project() != f.Project:
		case c.Running():
			projects[c.Project()] = true
			live = append(live, *c)
		default:
			none.Stopped = append(none.Stopped, c.Name)
		}
	}
	if len(live) == 0 {
		none.Near, err = f.near(ctx)
		return nil, cmp.Or[error](err, none)
	}
	if len(projects) > 1 {
		names := slices.Sorted(maps.Keys(projects))
		return nil, command.Advise(fmt.Errorf("containers of %s run in several Compose projects: %s", f.Service, strings.Join(names, ", ")),
			"say which one is meant: --project "+cmp.Or(names...))
	}
	return live, nil
}

// near returns the names of services like the one that has no container.
func (f *Fleet) near(ctx context.Context) ([]string, error) {
	all, err := f.Engine.List(ctx, "")
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for i := range all {
		names[all[i].Service] = all[i].Service != f.Service
	}
	maps.DeleteFunc(names, func(_ string, other bool) bool { return !other })
	return nearname.Of(f.Service, slices.Sorted(maps.Keys(names))), nil
}

// Same returns why there is nothing to upgrade: all containers are of the image already. It is "" when there is something.
func (f *Fleet) Same(ctx context.Context) (string, error) {
	image, err := f.Engine.Image(ctx, f.Image)
	if err != nil {
		return "", err
	}
	live, err := f.live(ctx)
	if err != nil {
		return "", err
	}
	for i := range live {
		if live[i].ImageID != image.ID {
			return "", nil
		}
	}
	return fmt.Sprintf("%s of %s already: %s", are(len(live)), f.Image, strings.Join(names(live), ", ")), nil
}

func are(n int) string {
	if n == 1 {
		return "1 container is"
	}
	return fmt.Sprintf("%d containers are", n)
}

func names(list []engine.Container) []string {
	names := make([]string, len(list))
	for i := range list {
		names[i] = list[i].Name
	}
	return names
}

// Running implements [rollout.Fleet]: the containers that run, with the addresses that they have registered. One that is
// not registered is told at the address that it would have.
func (f *Fleet) Running(ctx context.Context) ([]rollout.Instance, int, error) {
	live, err := f.live(ctx)
	if err != nil {
		return nil, 0, err
	}
	f.mark = newMark()
	f.mark.Replicas = wanted(live)
	snapshot, err := command.Lookup(ctx, f.Registry, f.Service)
	if _, missing := errors.AsType[*discovery.NotFoundError](err); err != nil && !missing {
		return nil, 0, err
	}
	list := make([]rollout.Instance, len(live))
	known := 0
	for i := range live {
		registered := registration(&live[i], snapshot.Instances)
		if registered != nil {
			known++
		}
		list[i] = instance(&live[i], registered)
	}
	if known == 0 {
		err := fmt.Errorf("none of the containers of %s is registered at %s: %s", f.Service, f.Registry, strings.Join(names(live), ", "))
		return nil, 0, command.Advise(err, "set CONSUL_HTTP_ADDR to the registry that they use; theirs is "+cmp.Or(f.newest.Env["CONSUL_HTTP_ADDR"], "the one of their code"))
	}
	return list, f.mark.Replicas, nil
}

// instance tells a container to a rollout; registered may be nil.
func instance(c *engine.Container, registered *discovery.Instance) rollout.Instance {
	in := rollout.Instance{ID: c.ID, Label: c.Name, Version: version(c), Address: expected(c)}
	in.Weight, _ = strconv.Atoi(c.Env[weightVariable]) // 0 when it says nothing
	if registered != nil {
		in.Address, in.Weight = registered.Endpoint(), registered.Weight
	}
	return in
}

// version returns what people know the program in a container by.
func version(c *engine.Container) string {
	const digits = 12
	if hash, ok := strings.CutPrefix(c.Image, "sha256:"); ok {
		return cmp.Or(c.Version, hash[:min(len(hash), digits)])
	}
	return cmp.Or(c.Version, c.Image)
}

// Drain implements [rollout.Fleet]: the container gets its stop signal, at which a Panda service leaves the registry and
// finishes its calls, and is removed when it has ended.
func (f *Fleet) Drain(ctx context.Context, in rollout.Instance) error {
	c, err := f.Engine.Inspect(ctx, in.ID)
	if _, gone := errors.AsType[*engine.MissingError](err); gone {
		return nil
	}
	if err != nil {
		return err
	}
	return Drain(ctx, f.Engine, &c, f.Tell)
}

// Drain ends a container as [Fleet.Drain] does. One that is gone, and had to be killed, is a [rollout.ErrKilled].
func Drain(ctx context.Context, from *engine.Engine, c *engine.Container, tell func(text string)) error {
	grace := cmp.Or(c.Grace, Grace)
	exit, err := from.Stop(ctx, c.ID, grace)
	if _, gone := errors.AsType[*engine.MissingError](err); gone {
		return nil
	}
	if err != nil {
		return err
	}
	if exit.Code != 0 && !exit.Killed {
		tell(fmt.Sprintf("%s ended with exit code %d%s", c.Name, exit.Code, lastLines(ctx, from, c.ID)))
	}
	if err := from.Remove(ctx, c.ID); err != nil || !exit.Killed {
		return err
	}
	return command.Advise(fmt.Errorf("%s did not end within %v: %w", c.Name, grace, rollout.ErrKilled),
		"give it more time: --stop-timeout, or stop_grace_period of Compose")
}

// Beside returns how many other containers of the service run in the same Compose project.
func Beside(ctx context.Context, from *engine.Engine, c *engine.Container) (int, error) {
	f := &Fleet{Config: Config{Engine: from, Service: c.Service, Project: c.Project()}}
	live, err := f.live(ctx)
	return len(slices.DeleteFunc(live, func(other engine.Container) bool { return other.ID == c.ID })), err
}
