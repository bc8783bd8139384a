package breaking

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/pandakit/panda/internal/cli/command"
	"github.com/pandakit/panda/internal/protobuild/breaking"
	"github.com/pandakit/panda/internal/rpccall"
)

// Between compares what two instances of a service, at host:port, serve, and returns for people what of it breaks callers
// of the old one: nothing when they are served by the fresh one too. It is what "panda breaking --against registry" does,
// with a running instance in place of files.
func Between(ctx context.Context, old, fresh string) (findings []string, err error) {
	var served [2][]protoreflect.FileDescriptor
	for at, address := range []string{old, fresh} {
		if served[at], err = askOne(ctx, address); err != nil {
			err = fmt.Errorf("ask %s what it serves: %w", address, err)
			if errors.Is(err, rpccall.ErrNoReflection) {
				return nil, command.Advise(err, "register gRPC reflection in the service, or leave the comparison out: --no-check")
			}
			return nil, command.Advise(err, "leave the comparison out if the service speaks no gRPC: --no-check")
		}
	}
	before, now := withoutStandard(served[0], nil), withoutStandard(served[1], nil)
	list, err := breaking.Compare(before, now, breaking.Options{Category: breaking.Callers})
	if err != nil {
		return nil, err
	}
	for _, f := range list {
		findings = append(findings, fmt.Sprintf("%s: %s (%s)", f.Place.Path, f.Message, f.Rule))
	}
	return findings, nil
}
