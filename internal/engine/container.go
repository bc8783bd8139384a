package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
)

// Container is one container as it was when it was asked for.
type Container struct {
	ID      string
	Name    string // without a slash
	Service string // of [ServiceLabel]; "" when it has none
	Image   string // the reference that it was made from
	ImageID string
	Version string // of [VersionLabel]; "" when it has none
	State   string // "created", "running", "paused", "restarting", "removing", "exited" or "dead"
	Created time.Time

	ExitCode int // of its last end; 0 before that
	Restarts int // how often the engine has started it again after it ended

	Env         map[string]string
	Labels      map[string]string
	Networks    map[string]netip.Addr // its address in each network; invalid while it does not run
	NetworkMode string                // "host", "none", the name of its first network, …
	Grace       time.Duration         // between its stop signal and its end by force; 0 when it leaves that to the engine
}

// Running reports whether the container runs, and is not paused or about to be started again.
func (c *Container) Running() bool { return c.State == string(container.StateRunning) }

// Project returns the Compose project that the container belongs to; "" when it is of none.
func (c *Container) Project() string { return c.Labels[ProjectLabel] }

// Addresses returns the container's addresses, sorted by the names of its networks.
func (c *Container) Addresses() []netip.Addr {
	var list []netip.Addr
	for _, name := range slices.Sorted(maps.Keys(c.Networks)) {
		if c.Networks[name].IsValid() {
			list = append(list, c.Networks[name])
		}
	}
	return list
}

// Address returns an address at which others in the container's networks reach it, its first network's if it has one
// there. With the network of the host that is loopback; the zero value says that there is none.
func (c *Container) Address() netip.Addr {
	if c.NetworkMode == "host" {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	if a := c.Networks[c.NetworkMode]; a.IsValid() {
		return a
	}
	if list := c.Addresses(); len(list) > 0 {
		return list[0]
	}
	return netip.Addr{}
}

// List returns the containers of a service, or of every service when it is "", in whatever state, the oldest first.
func (e *Engine) List(ctx context.Context, service string) ([]Container, error) {
	label := ServiceLabel
	if service != "" {
		label += "=" + service
	}
	bounded, cancel := e.bounded(ctx)
	defer cancel()
	found, err := e.api.ContainerList(bounded, client.ContainerListOptions{All: true, Filters: client.Filters{}.Add("label", label)})
	if err != nil {
		return nil, e.explain(ctx, "list containers", err)
	}
	list := make([]Container, 0, len(found.Items))
	for i := range found.Items {
		c, err := e.Inspect(ctx, found.Items[i].ID)
		if _, gone := errors.AsType[*MissingError](err); gone {
			continue // since it was listed
		}
		if err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	slices.SortStableFunc(list, func(a, b Container) int {
		return cmp.Or(a.Created.Compare(b.Created), strings.Compare(a.Name, b.Name))
	})
	return list, nil
}

// Inspect returns a container by its ID or name, or a *[MissingError].
func (e *Engine) Inspect(ctx context.Context, id string) (Container, error) {
	found, err := e.inspect(ctx, id)
	if err != nil {
		return Container{}, err
	}
	return describe(found), nil
}

func (e *Engine) inspect(ctx context.Context, id string) (*container.InspectResponse, error) {
	bounded, cancel := e.bounded(ctx)
	defer cancel()
	found, err := e.api.ContainerInspect(bounded, id, client.ContainerInspectOptions{})
	if err != nil {
		return nil, e.missing(ctx, fmt.Sprintf("look up container %q", id), "container", id, err)
	}
	in := &found.Container
	if in.Config == nil || in.HostConfig == nil || in.State == nil || in.NetworkSettings == nil {
		return nil, fmt.Errorf("look up container %q: %s does not say all of it", id, e.about.Host)
	}
	return in, nil
}

func describe(in *container.InspectResponse) Container {
	created, err := time.Parse(time.RFC3339Nano, in.Created)
	if err != nil {
		created = time.Time{} // which sorts it first
	}
	c := Container{
		ID: in.ID, Name: strings.TrimPrefix(in.Name, "/"), Service: in.Config.Labels[ServiceLabel],
		Image: in.Config.Image, ImageID: in.Image, Version: in.Config.Labels[VersionLabel],
		State: string(in.State.Status), Created: created, ExitCode: in.State.ExitCode, Restarts: in.RestartCount,
		Env: variables(in.Config.Env), Labels: in.Config.Labels, NetworkMode: string(in.HostConfig.NetworkMode),
		Networks: make(map[string]netip.Addr, len(in.NetworkSettings.Networks)),
	}
	if seconds := in.Config.StopTimeout; seconds != nil && *seconds > 0 {
		c.Grace = time.Duration(*seconds) * time.Second
	}
	for name, endpoint := range in.NetworkSettings.Networks {
		if endpoint == nil {
			continue
		}
		c.Networks[name] = endpoint.IPAddress
		if !endpoint.IPAddress.IsValid() {
			c.Networks[name] = endpoint.GlobalIPv6Address
		}
	}
	return c
}

// variables reads NAME=VALUE; a name alone has an empty value.
func variables(list []string) map[string]string {
	env := make(map[string]string, len(list))
	for _, entry := range list {
		name, value, _ := strings.Cut(entry, "=")
		env[name] = value
	}
	return env
}
