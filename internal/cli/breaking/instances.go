package breaking

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
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
	var methods [2][]string
	for at, address := range []string{old, fresh} {
		if served[at], methods[at], err = askMethods(ctx, address); err != nil {
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
	return append(findings, unserved(methods[0], methods[1], now)...), nil
}

// unserved tells of services that the old instance has, that the files of the fresh one still declare, and that it does not
// serve. Those that are not declared any more are told of by the comparison of the files.
func unserved(old, fresh []string, now []protoreflect.FileDescriptor) []string {
	serves := make(map[string]bool)
	for _, method := range fresh {
		service, _, _ := strings.Cut(method, "/")
		serves[service] = true
	}
	var findings []string
	for _, method := range old {
		service, _, _ := strings.Cut(method, "/")
		if serves[service] {
			continue
		}
		serves[service] = true // told once
		for _, file := range now {
			if name := protoreflect.FullName(service); file.Package() == name.Parent() && file.Services().ByName(name.Name()) != nil {
				findings = append(findings, fmt.Sprintf("%s: service %s is not served any more: calls of it are UNIMPLEMENTED", file.Path(), service))
			}
		}
	}
	return findings
}

// askMethods asks an instance what it serves, files and methods.
func askMethods(ctx context.Context, address string) ([]protoreflect.FileDescriptor, []string, error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithNoProxy())
	if err != nil {
		return nil, nil, err
	}
	defer conn.Close()
	client := rpccall.NewClient(conn, 0)
	files, err := client.Files(ctx)
	if err != nil {
		return nil, nil, err
	}
	methods, err := client.Methods(ctx)
	return files, methods, err
}
