package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
)

// Change is what a copy of a container has different. The zero value of each field but Name leaves things as they are.
type Change struct {
	Name      string            // of the new container; none has it yet
	Image     string            // a reference or ID of an image that the engine has
	Env       map[string]string // set, beside or in place of what there is
	Unset     []string          // variables that the copy does not have, unless its image sets them
	Labels    map[string]string // set, beside or in place of what there is
	NoAliases bool              // nobody finds it by a name that the original has in its networks
}

// NotTwiceError says why a container can have no copy that runs beside it.
type NotTwiceError struct {
	Container string
	Reason    string
	Advice    string
}

func (e *NotTwiceError) Error() string {
	return fmt.Sprintf("no second container like %q can run beside it: %s", e.Container, e.Reason)
}

// Clone starts a container like another: its own variables, networks and aliases, labels, mounts, limits, restart policy,
// health check and stop timeout. What the original only has from its image, the copy has from its own; the random host name is
// not copied. A container with something that no two can have is refused with a *[NotTwiceError], an image that the engine does
// not have with a *[MissingError]. It returns once the container's process has been started; a failure, and the end of ctx before
// that, leaves none behind.
func (e *Engine) Clone(ctx context.Context, id string, change Change) (Container, error) {
	original, err := e.inspect(ctx, id)
	if err != nil {
		return Container{}, err
	}
	plan, err := e.plan(ctx, original, change)
	if err != nil {
		return Container{}, err
	}
	act := fmt.Sprintf("start container %q like %q", change.Name, strings.TrimPrefix(original.Name, "/"))
	made, err := e.create(ctx, act, plan)
	if err != nil {
		return Container{}, err
	}
	clone, err := e.launch(ctx, act, made, plan)
	if err != nil {
		return Container{}, errors.Join(err, e.discard(ctx, made))
	}
	return clone, nil
}

// plan is all that a container is made from. An engine before API 1.44 takes one network as it creates it.
type plan struct {
	options client.ContainerCreateOptions
	more    map[string]*network.EndpointSettings // by the network's name
}

func (e *Engine) plan(ctx context.Context, original *container.InspectResponse, change Change) (*plan, error) {
	if err := twice(original); err != nil {
		return nil, err
	}
	reference := change.Image
	if reference == "" {
		reference = original.Config.Image
	}
	fresh, freshID, err := e.imageConfig(ctx, reference)
	if err != nil {
		return nil, err
	}
	old, _, err := e.imageConfig(ctx, original.Image)
	if _, gone := errors.AsType[*MissingError](err); gone {
		old = &dockerspec.DockerOCIImageConfig{} // nobody can tell what came from it, so all of it is the container's own
	} else if err != nil {
		return nil, err
	}
	service := original.Config.Labels[ServiceLabel]
	if other := fresh.Labels[ServiceLabel]; service != "" && other != "" && other != service {
		return nil, fmt.Errorf("image %q is of service %q, not of %q", reference, other, service)
	}
	config := own(original.Config, old)
	config.Image, config.Hostname = reference, ""
	config.Env = environment(config.Env, change)
	setLabels(config.Labels, service, freshID, change)
	host := *original.HostConfig
	host.ContainerIDFile = ""
	first, more := networks(original, change.NoAliases)
	return &plan{
		options: client.ContainerCreateOptions{Name: change.Name, Config: config, HostConfig: &host, NetworkingConfig: first},
		more:    more,
	}, nil
}

// twice refuses what no two containers can have at once.
func twice(original *container.InspectResponse) error {
	refuse := func(advice, format string, args ...any) error {
		return &NotTwiceError{strings.TrimPrefix(original.Name, "/"), fmt.Sprintf(format, args...), advice}
	}
	for port, bindings := range original.HostConfig.PortBindings {
		for _, b := range bindings {
			if b.HostPort != "" && b.HostPort != "0" && !strings.Contains(b.HostPort, "-") {
				return refuse("publish no port, or let the engine choose it: services are found by name, at their containers' own addresses",
					"its port %s is published as port %s of the host", port, b.HostPort)
			}
		}
	}
	if mode := original.HostConfig.NetworkMode; mode.IsContainer() {
		return refuse("give it a network of its own", "it is in the network of another container (%s)", mode)
	}
	for name, endpoint := range original.NetworkSettings.Networks {
		if endpoint == nil || endpoint.IPAMConfig == nil {
			continue
		}
		for _, address := range []netip.Addr{endpoint.IPAMConfig.IPv4Address, endpoint.IPAMConfig.IPv6Address} {
			if address.IsValid() {
				return refuse("let the engine choose its address: services are found by name", "it has the fixed address %s in network %q", address, name)
			}
		}
	}
	return nil
}

// own returns what a container was given beside what it has from its image, so that another image can bring its own.
func own(config *container.Config, image *dockerspec.DockerOCIImageConfig) *container.Config {
	c := *config
	c.Labels = without(c.Labels, image.Labels)
	c.Env = slices.DeleteFunc(slices.Clone(c.Env), func(entry string) bool { return slices.Contains(image.Env, entry) })
	c.Volumes = maps.Clone(c.Volumes)
	maps.DeleteFunc(c.Volumes, func(path string, _ struct{}) bool { _, ok := image.Volumes[path]; return ok })
	c.ExposedPorts = maps.Clone(c.ExposedPorts)
	maps.DeleteFunc(c.ExposedPorts, func(p network.Port, _ struct{}) bool { _, ok := image.ExposedPorts[p.String()]; return ok })
	if slices.Equal(c.Cmd, image.Cmd) {
		c.Cmd = nil
	}
	if slices.Equal(c.Entrypoint, image.Entrypoint) {
		c.Entrypoint = nil
	}
	if slices.Equal(c.Shell, image.Shell) {
		c.Shell = nil
	}
	if c.User == image.User {
		c.User = ""
	}
	if c.WorkingDir == image.WorkingDir {
		c.WorkingDir = ""
	}
	if c.StopSignal == image.StopSignal {
		c.StopSignal = ""
	}
	if reflect.DeepEqual(c.Healthcheck, image.Healthcheck) {
		c.Healthcheck = nil
	}
	c.OnBuild = nil // only ever an image's
	return &c
}

// without returns a copy of the labels but for those that the image has with the same value.
func without(labels, image map[string]string) map[string]string {
	rest := make(map[string]string, len(labels))
	for name, value := range labels {
		if other, ok := image[name]; !ok || other != value {
			rest[name] = value
		}
	}
	return rest
}

func environment(list []string, change Change) []string {
	list = slices.DeleteFunc(list, func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		_, set := change.Env[name]
		return set || slices.Contains(change.Unset, name)
	})
	for _, name := range slices.Sorted(maps.Keys(change.Env)) {
		list = append(list, name+"="+change.Env[name])
	}
	return list
}

// setLabels keeps the copy among its service's containers, and tells Compose the image that it is of.
func setLabels(labels map[string]string, service, imageID string, change Change) {
	if service != "" {
		labels[ServiceLabel] = service
	}
	if _, ok := labels[composeImage]; ok {
		labels[composeImage] = imageID
	}
	maps.Copy(labels, change.Labels)
}

// networks returns the network that a copy is created in, and those that it joins before it is started.
func networks(original *container.InspectResponse, noAliases bool) (*network.NetworkingConfig, map[string]*network.EndpointSettings) {
	mode := string(original.HostConfig.NetworkMode)
	first := &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{}}
	more := map[string]*network.EndpointSettings{}
	for name, endpoint := range original.NetworkSettings.Networks {
		if endpoint == nil || name == "host" || name == "none" {
			continue
		}
		settings := &network.EndpointSettings{DriverOpts: endpoint.DriverOpts, Links: endpoint.Links, GwPriority: endpoint.GwPriority}
		if !noAliases {
			settings.Aliases = aliases(original, endpoint.Aliases)
		}
		if name == mode || endpoint.NetworkID == mode || mode == "default" && name == "bridge" {
			first.EndpointsConfig[name] = settings
		} else {
			more[name] = settings
		}
	}
	return first, more
}

// shortID is how many digits of its ID a container has as a host name and an alias.
const shortID = 12

// aliases leaves out those that are the original's own: its name and the start of its ID.
func aliases(original *container.InspectResponse, list []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(alias string) bool {
		return alias == strings.TrimPrefix(original.Name, "/") || alias == original.ID[:min(len(original.ID), shortID)]
	})
}

// create makes the container. It is not interrupted, for that would leave one that nobody knows of.
func (e *Engine) create(ctx context.Context, act string, p *plan) (string, error) {
	bounded, cancel := e.bounded(context.WithoutCancel(ctx))
	defer cancel()
	made, err := e.api.ContainerCreate(bounded, p.options)
	if errdefs.IsConflict(err) {
		return "", &NameTakenError{Name: p.options.Name}
	}
	if err != nil {
		return "", e.explain(ctx, act, err)
	}
	return made.ID, nil
}

// NameTakenError says that another container has the name that a copy was to have.
type NameTakenError struct{ Name string }

func (e *NameTakenError) Error() string {
	return fmt.Sprintf("another container has the name %q", e.Name)
}

func (e *Engine) launch(ctx context.Context, act, id string, p *plan) (Container, error) {
	bounded, cancel := e.bounded(ctx)
	defer cancel()
	for _, name := range slices.Sorted(maps.Keys(p.more)) {
		if _, err := e.api.NetworkConnect(bounded, name, client.NetworkConnectOptions{Container: id, EndpointConfig: p.more[name]}); err != nil {
			return Container{}, e.explain(ctx, act+": join network "+name, err)
		}
	}
	if _, err := e.api.ContainerStart(bounded, id, client.ContainerStartOptions{}); err != nil {
		return Container{}, e.explain(ctx, act, err)
	}
	return e.Inspect(ctx, id)
}
