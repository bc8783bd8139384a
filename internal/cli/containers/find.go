package containers

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"

	"github.com/pandakit/panda/internal/cli/command"
	"github.com/pandakit/panda/internal/engine"
)

// Engine returns the engine that the environment, or Docker's configuration, names, or that listens at a usual place.
// The error, an *[engine.NoneError] when none answers, has advice for the user.
func Engine(ctx context.Context, env *command.Env) (*engine.Engine, error) {
	found, err := engine.Open(ctx, env.Getenv)
	if none, ok := errors.AsType[*engine.NoneError](err); ok {
		return nil, command.Advise(err, none.Advice())
	}
	return found, err
}

// Absent reports whether err says that there is no engine where nobody has said that there is one: then nobody means one.
func Absent(err error) bool {
	none, ok := errors.AsType[*engine.NoneError](err)
	return ok && !slices.ContainsFunc(none.Tried, func(a engine.Attempt) bool { return a.Source != "" })
}

// Find returns the container that runs an instance: by the container's name or the start of its ID, by PANDA_INSTANCE, by the
// ID of service, address and port that a service has registered without one, or by its address and port. It is nil when
// no container with the label of a service is meant.
func Find(ctx context.Context, from *engine.Engine, name string) (*engine.Container, error) {
	all, err := from.List(ctx, "")
	if err != nil {
		return nil, err
	}
	for i := range all {
		if all[i].Running() && means(name, &all[i]) {
			return &all[i], nil
		}
	}
	return nil, nil //nolint:nilnil // none is meant
}

// shortID is the least that is taken for the start of an ID.
const shortID = 12

func means(name string, c *engine.Container) bool {
	if name == "" {
		return false
	}
	if name == c.Name || name == c.Env[instanceVariable] || len(name) >= shortID && strings.HasPrefix(c.ID, name) {
		return true
	}
	host, _, err := net.SplitHostPort(name)
	for _, address := range c.Addresses() {
		if err == nil && host == address.String() || strings.HasPrefix(name, c.Service+"-"+address.String()+"-") {
			return true
		}
	}
	return false
}
