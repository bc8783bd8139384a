package up

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/pandakit/panda/discovery/consul"
	"github.com/pandakit/panda/internal/cli/command"
	"github.com/pandakit/panda/internal/rpccall"
	"github.com/pandakit/panda/internal/workspace"
)

// askTimeout bounds how long services may take to tell their methods: this is only for a hint.
const askTimeout = 2 * time.Second

// ready prints what runs and what to do next.
func (s *screen) ready(instances int) {
	took := time.Since(s.began)
	hint := s.hint()
	var b strings.Builder
	row := func(name, text string) { fmt.Fprintf(&b, "  %s %s\n", s.Faint(fmt.Sprintf("%-9s", name)), text) }
	fmt.Fprintf(&b, "\n  %s\n\n", s.Bold(fmt.Sprintf("Ready: %s, %s after the start.", command.Count(instances, "instance"), span(took))))
	row("registry", s.registry.health.String())
	if s.registry.address != "" && s.registry.address != consul.DefaultAddress {
		row("first", "export CONSUL_HTTP_ADDR="+s.registry.address)
	}
	row("list", "panda services")
	if hint != "" {
		row("call", hint)
	}
	if page := s.registry.page(); page != "" {
		row("open", page)
	}
	if s.keys {
		row("keys", "r restart, f filter logs, c clear, o open, q quit, ? help")
	}
	row("stop", "Ctrl-C")
	b.WriteString("\n")
	s.Print(b.String())
}

// hint is a call that works: the first method that a service tells of.
func (s *screen) hint() string {
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	for _, service := range s.work.Services {
		if method := s.methodOf(ctx, service); method != "" {
			return fmt.Sprintf("panda call %s %s '{}'", service.Registry, method)
		}
	}
	return ""
}

// methodOf returns the bare name of a service's first method, of those without streams if it has such; "" when it
// tells of none, as one does that speaks no gRPC.
func (s *screen) methodOf(ctx context.Context, service *workspace.Service) string {
	s.mu.Lock()
	address := s.addresses[service.Label(1)]
	s.mu.Unlock()
	if address == "" || service.Registry == "" {
		return ""
	}
	conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return ""
	}
	defer conn.Close()
	services, err := rpccall.NewClient(conn, 0).Services(ctx)
	if err != nil {
		return ""
	}
	streaming := ""
	for _, s := range services {
		for _, m := range s.Methods {
			if !m.TakesStream && !m.SendsStream {
				return m.Name
			}
			streaming = cmp.Or(streaming, m.Name)
		}
	}
	return streaming
}
