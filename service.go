package panda

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"sync/atomic"

	"google.golang.org/grpc"
)

// Service is one instance of a named service: handlers for gRPC, net/rpc and HTTP, run on one port and
// registered under one name. Make one with [NewService], register handlers, then call Run, once.
//
// The registering methods are for the goroutine that goes on to call Run. They report nothing: what is
// wrong with a handler is returned by Run, before it listens.
type Service struct {
	name     string
	config   serviceConfig
	services []grpcService
	routes   []route
	rpcs     []rpcReceiver
	problems []error
	running  atomic.Bool
}

type grpcService struct {
	description *grpc.ServiceDesc
	handler     any
}

type route struct {
	pattern string
	handler http.Handler
}

type rpcReceiver struct {
	name     string
	receiver any
}

// NewService returns a service that callers will find by name. It opens nothing.
func NewService(name string, options ...ServiceOption) *Service {
	s := &Service{name: name, config: newServiceConfig(options)}
	if name == "" {
		s.problem(errors.New("its name is empty"))
	}
	return s
}

// Name returns the name by which callers find the service.
func (s *Service) Name() string { return s.name }

// RegisterService registers a gRPC service and its handler; generated RegisterXServer functions call it.
// It makes Service a [grpc.ServiceRegistrar].
func (s *Service) RegisterService(description *grpc.ServiceDesc, handler any) {
	for _, other := range s.services {
		if other.description.ServiceName == description.ServiceName {
			s.problem(fmt.Errorf("gRPC service %s is registered twice", description.ServiceName))
			return
		}
	}
	if want := reflect.TypeOf(description.HandlerType).Elem(); handler == nil || !reflect.TypeOf(handler).Implements(want) {
		s.problem(fmt.Errorf("gRPC service %s: handler %T does not implement %v", description.ServiceName, handler, want))
		return
	}
	s.services = append(s.services, grpcService{description, handler})
}

// Handle serves HTTP requests that match the pattern, in the language of [http.ServeMux]:
// "GET /users/{id}", "/static/". Requests over cleartext HTTP/2 arrive here too. A handler's panic is
// logged and answered with status 500. GET /metrics is served unless a handler is registered for it.
func (s *Service) Handle(pattern string, handler http.Handler) {
	if handler == nil {
		s.problem(fmt.Errorf("HTTP pattern %q: handler is nil", pattern))
		return
	}
	s.routes = append(s.routes, route{pattern, handler})
}

// HandleRPC serves the receiver's methods to net/rpc clients as name.Method. The rules are net/rpc's:
// an exported method with two arguments, the second a pointer, and one result of type error; methods that do
// not fit are left out, and a receiver without one that fits is an error. A method's panic is logged and
// answered with an error, where net/rpc's own server would end the process.
func (s *Service) HandleRPC(name string, receiver any) {
	s.rpcs = append(s.rpcs, rpcReceiver{name, receiver})
}

func (s *Service) problem(err error) { s.problems = append(s.problems, err) }

// invalid returns everything that is wrong with what was registered, or nil.
func (s *Service) invalid() error {
	if len(s.problems) == 0 {
		return nil
	}
	return fmt.Errorf("run service %q: %w", s.name, errors.Join(s.problems...))
}
