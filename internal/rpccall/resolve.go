package rpccall

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/pandakit/panda/internal/nearname"
)

// namesShown bounds the names listed in an error text.
const namesShown = 10

// UnknownMethodError says that the server has no such method.
type UnknownMethodError struct {
	Method  string   // as the caller wrote it
	Near    []string // full names that look like it, nearest first; may be empty
	Methods []string // full names of all methods that could have been meant, sorted
}

func (e *UnknownMethodError) Error() string {
	text := fmt.Sprintf("no method %q", e.Method)
	switch {
	case len(e.Near) > 0:
		return text + "; near: " + strings.Join(e.Near, ", ")
	case len(e.Methods) > namesShown:
		return text + fmt.Sprintf("; methods: %s, and %d more", strings.Join(e.Methods[:namesShown], ", "), len(e.Methods)-namesShown)
	case len(e.Methods) > 0:
		return text + "; methods: " + strings.Join(e.Methods, ", ")
	}
	return text + "; the server has no services but gRPC's own"
}

// AmbiguousMethodError says that several methods have the name that was asked for.
type AmbiguousMethodError struct {
	Method     string
	Candidates []string // full names, sorted
}

func (e *AmbiguousMethodError) Error() string {
	return fmt.Sprintf("method %q is ambiguous: %s", e.Method, strings.Join(e.Candidates, ", "))
}

// describe returns the descriptor of a service by its full name.
type describe func(service string) (protoreflect.ServiceDescriptor, error)

func resolveMethod(name string, services []string, describe describe) (protoreflect.MethodDescriptor, error) {
	service, method := splitMethod(name)
	among := servicesNamed(service, services)
	var found, foreign []protoreflect.MethodDescriptor
	for _, full := range among {
		sd, err := describe(full)
		if err != nil {
			if _, failed := errors.AsType[*StatusError](err); failed || len(among) == 1 {
				return nil, err
			}
			continue // a server may list what it cannot describe; another service may have the method
		}
		md := sd.Methods().ByName(protoreflect.Name(method))
		switch {
		case md == nil:
		case service == "" && isForeign(full):
			foreign = append(foreign, md)
		default:
			found = append(found, md)
		}
	}
	if len(found) == 0 {
		found = foreign
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return nil, unknownMethod(name, method, among, services, describe)
	}
	return nil, ambiguousMethod(name, found)
}

// splitMethod splits at the last slash, or else the last dot; service is empty for a bare name.
func splitMethod(name string) (service, method string) {
	name = strings.TrimPrefix(name, "/")
	i := strings.LastIndexByte(name, '/')
	if i < 0 {
		i = strings.LastIndexByte(name, '.')
	}
	if i < 0 {
		return "", name
	}
	return name[:i], name[i+1:]
}

// servicesNamed returns the service of exactly that name, else those whose name ends in it after a dot;
// all of them when name is empty.
func servicesNamed(name string, services []string) []string {
	if name == "" || slices.Contains(services, name) {
		if name != "" {
			return []string{name}
		}
		return services
	}
	var named []string
	for _, s := range services {
		if strings.HasSuffix(s, "."+name) {
			named = append(named, s)
		}
	}
	return named
}

// isForeign reports whether a service is gRPC's own rather than the server's.
func isForeign(service string) bool { return strings.HasPrefix(service, "grpc.") }

func ownServices(services []string) []string {
	return slices.DeleteFunc(slices.Clone(services), isForeign)
}

func ambiguousMethod(name string, found []protoreflect.MethodDescriptor) error {
	var candidates []string
	for _, md := range found {
		candidates = append(candidates, (&Method{md}).String())
	}
	slices.Sort(candidates)
	return &AmbiguousMethodError{Method: name, Candidates: candidates}
}

// unknownMethod looks for near names first in the services that were named, then in all of the
// server's own. A name that means a service alone has that service's methods listed.
func unknownMethod(name, method string, among, services []string, describe describe) error {
	if len(among) == 0 {
		among = servicesNamed(strings.TrimPrefix(name, "/"), services)
	}
	known := methodNames(among, describe)
	if len(among) == len(services) || len(known) == 0 {
		known = methodNames(ownServices(services), describe)
	}
	return &UnknownMethodError{Method: name, Near: nearMethods(name, method, known), Methods: known}
}

// nearMethods compares the bare names first, then the full ones.
func nearMethods(name, method string, known []string) []string {
	var bare []string
	for _, full := range known {
		_, m := splitMethod(full)
		if !slices.Contains(bare, m) {
			bare = append(bare, m)
		}
	}
	var near []string
	for _, m := range nearname.Of(method, bare) {
		for _, full := range known {
			if strings.HasSuffix(full, "/"+m) && len(near) < nearname.Most {
				near = append(near, full)
			}
		}
	}
	if near == nil {
		near = nearname.Of(strings.TrimPrefix(name, "/"), known)
	}
	return near
}

// methodNames returns the full names of the methods of services, sorted; what cannot be described is
// left out.
func methodNames(services []string, describe describe) []string {
	var names []string
	for _, service := range services {
		sd, err := describe(service)
		if err != nil {
			continue
		}
		for i := range sd.Methods().Len() {
			names = append(names, (&Method{sd.Methods().Get(i)}).String())
		}
	}
	slices.Sort(names)
	return names
}
