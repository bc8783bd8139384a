package command

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pandakit/panda/discovery"
	"github.com/pandakit/panda/discovery/consul"
	"github.com/pandakit/panda/internal/nearname"
)

// RegistryTimeout bounds every question to the registry, however the registry behaves.
const RegistryTimeout = 5 * time.Second

// completionTimeout bounds what a person who presses the tab key waits.
const completionTimeout = time.Second

const startRegistry = `start one with "panda up" or "panda agent -dev", or set CONSUL_HTTP_ADDR`

// Registry returns the registry that the environment names. It does no I/O; the error is for a variable
// that makes no sense.
func Registry(env *Env) (discovery.Registry, error) {
	registry, err := consul.New(consul.ConfigFromEnv(env.Getenv))
	if err != nil {
		return nil, Usage(err)
	}
	return registry, nil
}

// Services asks once for the names of all services, for [RegistryTimeout] at most.
func Services(ctx context.Context, registry discovery.Registry) ([]string, error) {
	bounded, cancel := context.WithTimeout(ctx, RegistryTimeout)
	defer cancel()
	names, err := registry.Services(bounded)
	switch {
	case err == nil:
		return names, nil
	case ctx.Err() != nil:
		return nil, errors.New("list services: interrupted")
	case bounded.Err() != nil:
		err = fmt.Errorf("list services: %s did not answer within %v", registry, RegistryTimeout)
	}
	return nil, Advise(err, startRegistry)
}

// Lookup asks once for the instances of a service, usable or not, for [RegistryTimeout] at most. Without
// any it returns a *[discovery.NotFoundError] with near names, or a *[discovery.UnreachableError]; for a name that
// cannot be looked up, a *[NameError].
func Lookup(ctx context.Context, registry discovery.Registry, service string) (discovery.Snapshot, error) {
	snapshot, err := firstSnapshot(ctx, registry, service)
	if err != nil {
		return discovery.Snapshot{}, err
	}
	if len(snapshot.Instances) > 0 {
		return snapshot, nil
	}
	err = discovery.Explain(snapshot, nil)
	if missing, ok := errors.AsType[*discovery.NotFoundError](err); ok {
		if names, err := Services(ctx, registry); err == nil { // without them there are just no near names
			missing.Near = nearname.Of(service, names)
		}
		return discovery.Snapshot{}, Advise(missing, `see "panda services" for what there is`)
	}
	return discovery.Snapshot{}, Advise(err, startRegistry)
}

// NameError says that no service can have a name; a registry may hold one all the same.
type NameError struct {
	Name string
	Err  error
}

func (e *NameError) Error() string { return e.Err.Error() }

// Unwrap returns what the registry's client says.
func (e *NameError) Unwrap() error { return e.Err }

func firstSnapshot(ctx context.Context, registry discovery.Registry, service string) (discovery.Snapshot, error) {
	began := time.Now()
	bounded, cancel := context.WithTimeout(ctx, RegistryTimeout)
	defer cancel()
	var first *discovery.Snapshot
	err := registry.Watch(bounded, service, func(s discovery.Snapshot) {
		if first == nil {
			first = &s
			cancel()
		}
	})
	switch {
	case first != nil:
		return *first, nil
	case ctx.Err() != nil:
		return discovery.Snapshot{}, fmt.Errorf("look up service %q: interrupted", service)
	case errors.Is(err, context.DeadlineExceeded):
		err = fmt.Errorf("no answer within %v", RegistryTimeout)
	case err != nil: // at once, so the registry was not even asked
		return discovery.Snapshot{}, &NameError{service, err}
	}
	return discovery.Snapshot{
		Service: service, Registry: registry.String(), Err: err, Since: began,
	}, nil
}

// CompleteService completes the first argument of a command with the names of services. One that could steer a terminal
// is no name.
func CompleteService(env *Env) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		registry, err := Registry(env)
		if err != nil || len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTimeout)
		defer cancel()
		names, err := registry.Services(ctx)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return slices.DeleteFunc(names, func(n string) bool { return !strings.HasPrefix(n, begun) || Plain(n) != n }), cobra.ShellCompDirectiveNoFileComp
	}
}
