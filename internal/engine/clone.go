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

// Change is what a container has different from its template. The zero value of each field but Name leaves things as they are.
type Change struct {
	Name      string            // of the new container; none has it yet
	Image     string            // a reference or ID of an image that the engine has; "" for the original's own
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

// Template is what a container was made from, without what it only had from its image. It outlives the container. A Template
// is not changed, so it may be used by several goroutines.
type Template struct {
	name     string
	service  string
	image    string // the original's, as it was named
	imageID  string
	config   *container.Config
	host     *container.HostConfig
	networks map[string]*network.EndpointSettings
}

// Template reads what a container was made from: its own variables, networks and aliases, labels, mounts, limits, restart
// policy, health check and stop timeout. The random host name is left out. A container with something that no two can have
// is refused with a *[NotTwiceError].
func (e *Engine) Template(ctx context.Context, id string) (*Template, error) {
	original, err := e.inspect(ctx, id)
	if err != nil {
		return nil, err
	}
	if err := twice(original); err != nil {
		return nil, err
	}
	image, _, err := e.imageConfig(ctx, original.Image)
	if _, gone := errors.AsType[*MissingError](err); gone {
		image = &dockerspec.DockerOCIImageConfig{} // nobody can tell what came from it, so all of it is the container's own
	} else if err != nil {
		return nil, err
	}
	host := *original.HostConfig
	host.ContainerIDFile = ""
	return &Template{
		name: strings.TrimPrefix(original.Name, "/"), service: original.Config.Labels[ServiceLabel],
		image: original.Config.Image, imageID: original.Image,
		config: own(original.Config, image), host: &host, networks: endpoints(original),
	}, nil
}

// Start starts a container from a template. What the original only had from its image, this one has from its own. An image
// that the engine does not have is a *[MissingError], a name that is taken a *[NameTakenError]. It returns once the container's
// process has been started; a failure, and the end of ctx before that, leaves none behind: one that has been started gets its stop
// signal first, so that it can leave a registry.
func (e *Engine) Start(ctx context.Context, t *Template, change Change) (Container, error) {
	image, err := e.imageOf(ctx, t, change.Image)
	if err != nil {
		return Container{}, err
	}
	config := *t.config
	config.Image = image.Reference
	config.Env = environment(t.config.Env, change)
	config.Labels = t.labels(image.ID, change)
	first, more := t.split(change.NoAliases)
	act := fmt.Sprintf("start container %q like %q", change.Name, t.name)
	// What the engine has begun is not interrupted, for it would go on with a container that nobody knows of.
	begun := context.WithoutCancel(ctx)
	id, err := e.create(begun, act, client.ContainerCreateOptions{
		Name: change.Name, Config: &config, HostConfig: t.host, NetworkingConfig: &network.NetworkingConfig{EndpointsConfig: first},
	})
	if err != nil {
		return Container{}, err
	}
	if err := e.join(begun, act, id, more); err != nil {
		return Container{}, errors.Join(err, e.discard(begun, id))
	}
	made, err := e.launch(begun, act, id)
	if err == nil && ctx.Err() != nil {
		err = fmt.Errorf("%s: interrupted: %w", act, context.Cause(ctx))
	}
	if err != nil {
		_, _ = e.Stop(begun, id, discardGrace) // discard ends it, too
		return Container{}, errors.Join(err, e.discard(begun, id))
	}
	return made, nil
}

// imageOf returns the image that a container is started from. The original's is that very one, though its name may have gone to
// another since.
func (e *Engine) imageOf(ctx context.Context, t *Template, reference string) (Image, error) {
	if reference == "" {
		image, err := e.Image(ctx, t.image)
		if err == nil && image.ID == t.imageID {
			return image, nil
		}
		reference = t.imageID
	}
	image, err := e.Image(ctx, reference)
	if err == nil && t.service != "" && image.Service != "" && image.Service != t.service {
		err = fmt.Errorf("image %q is of service %q, not of %q", reference, image.Service, t.service)
	}
	return image, err
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
	c.Hostname = ""
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

func environment(own []string, change Change) []string {
	list := slices.DeleteFunc(slices.Clone(own), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		_, set := change.Env[name]
		return set || slices.Contains(change.Unset, name)
	})
	for _, name := range slices.Sorted(maps.Keys(change.Env)) {
		list = append(list, name+"="+change.Env[name])
	}
	return list
}

// labels keeps the copy among its service's containers, and tells Compose the image that it is of.
func (t *Template) labels(imageID string, change Change) map[string]string {
	labels := maps.Clone(t.config.Labels)
	if t.service != "" {
		labels[ServiceLabel] = t.service
	}
	if _, ok := labels[composeImage]; ok {
		labels[composeImage] = imageID
	}
	maps.Copy(labels, change.Labels)
	return labels
}

// endpoints returns what a container asks of its networks, without what they have given it.
func endpoints(original *container.InspectResponse) map[string]*network.EndpointSettings {
	own := map[string]*network.EndpointSettings{}
	for name, endpoint := range original.NetworkSettings.Networks {
		if endpoint == nil || name == "host" || name == "none" {
			continue
		}
		own[name] = &network.EndpointSettings{
			Aliases: aliases(original, endpoint.Aliases), NetworkID: endpoint.NetworkID,
			DriverOpts: endpoint.DriverOpts, Links: endpoint.Links, GwPriority: endpoint.GwPriority,
		}
	}
	return own
}

// split returns the network that a copy is created in, and those that it joins before it is started: an engine before API
// 1.44 takes one network as it creates a container.
func (t *Template) split(noAliases bool) (first, more map[string]*network.EndpointSettings) {
	mode := string(t.host.NetworkMode)
	first, more = map[string]*network.EndpointSettings{}, map[string]*network.EndpointSettings{}
	for name, endpoint := range t.networks {
		settings := *endpoint
		settings.NetworkID = ""
		if noAliases {
			settings.Aliases = nil
		}
		if name == mode || endpoint.NetworkID == mode || mode == "default" && name == "bridge" {
			first[name] = &settings
		} else {
			more[name] = &settings
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

func (e *Engine) create(ctx context.Context, act string, options client.ContainerCreateOptions) (string, error) {
	bounded, cancel := e.bounded(ctx)
	defer cancel()
	made, err := e.api.ContainerCreate(bounded, options)
	if errdefs.IsConflict(err) {
		return "", &NameTakenError{Name: options.Name}
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

func (e *Engine) join(ctx context.Context, act, id string, more map[string]*network.EndpointSettings) error {
	bounded, cancel := e.bounded(ctx)
	defer cancel()
	for _, name := range slices.Sorted(maps.Keys(more)) {
		if _, err := e.api.NetworkConnect(bounded, name, client.NetworkConnectOptions{Container: id, EndpointConfig: more[name]}); err != nil {
			return e.explain(ctx, act+": join network "+name, err)
		}
	}
	return nil
}

func (e *Engine) launch(ctx context.Context, act, id string) (Container, error) {
	bounded, cancel := e.bounded(ctx)
	defer cancel()
	if _, err := e.api.ContainerStart(bounded, id, client.ContainerStartOptions{}); err != nil {
		return Container{}, e.explain(ctx, act, err)
	}
	return e.Inspect(ctx, id)
}
