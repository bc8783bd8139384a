package control

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/pandakit/panda/internal/cluster"
	"github.com/pandakit/panda/internal/controlsocket"
	"github.com/pandakit/panda/internal/netns"
	"github.com/pandakit/panda/internal/processid"
)

// Request is what a cluster is asked to do.
type Request struct {
	Act     string        `json:"act"` // kill, stop, start, reset, freeze, thaw, partition, heal, slow, token or down
	Nodes   []string      `json:"nodes,omitempty"`
	Delay   time.Duration `json:"delay,omitempty"`
	Loss    float64       `json:"loss,omitempty"`
	Service string        `json:"service,omitempty"`
}

// Error is what a cluster answers to a request that it does not carry out.
type Error struct {
	Text    string `json:"error"`
	Unknown bool   `json:"unknown"` // it has no such node
	Refused bool   `json:"refused"` // it makes no sense as things are
}

func (e *Error) Error() string { return e.Text }

func errorOf(err error) *Error {
	_, unknown := errors.AsType[*cluster.UnknownNodeError](err)
	_, refused := errors.AsType[*cluster.RefusedError](err)
	return &Error{err.Error(), unknown, refused}
}

// Server listens for one cluster. Its methods may be called from several goroutines.
type Server struct {
	cluster *cluster.Cluster
	stop    func()
	socket  *controlsocket.Server

	mu      sync.Mutex // held while the description is written
	claimed *Claimed
}

// Serve lets others steer a cluster, in a folder that this process has claimed; the caller closes the server. stop is called
// when one wants it down.
func Serve(claimed *Claimed, c *cluster.Cluster, stop func()) (*Server, error) {
	s := &Server{cluster: c, stop: stop, claimed: claimed}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", func(w http.ResponseWriter, r *http.Request) {
		controlsocket.Answer(w, http.StatusOK, s.cluster.Status(r.Context()))
	})
	mux.HandleFunc("POST /v1/do", controlsocket.Handle(s.act, func(err error) any { return errorOf(err) }))
	var err error
	if s.socket, err = controlsocket.Listen(socketFile(claimed.folder), mux); err != nil {
		return nil, fmt.Errorf("listen for other commands: %w", err)
	}
	if err := s.update(func(d *Description) { d.Place = s.socket.Place() }); err != nil {
		s.Close()
		return nil, fmt.Errorf("listen for other commands: %w", err)
	}
	return s, nil
}

func (s *Server) update(change func(*Description)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.claimed.Update(func(d *Description) {
		change(d)
		d.Nodes = nil
		for _, pid := range s.cluster.PIDs() {
			d.Nodes = append(d.Nodes, processid.Of(pid))
		}
	})
}

// Close ends the server. What is being answered gets a moment.
func (s *Server) Close() { s.socket.Close() }

// act carries out a request; what it returns is the answer.
func (s *Server) act(ctx context.Context, in Request) (any, error) {
	c := s.cluster
	switch in.Act {
	case "down":
		s.stop()
		return "", nil
	case "partition":
		return "", c.Partition(in.Nodes...)
	case "heal":
		return "", c.Heal()
	case "token":
		return c.Token(ctx, in.Service)
	}
	if len(in.Nodes) != 1 {
		return "", fmt.Errorf("%s takes one node", in.Act)
	}
	node := in.Nodes[0]
	one := map[string]func() error{
		"kill":   func() error { return c.Kill(node) },
		"stop":   func() error { return c.Stop(ctx, node) },
		"start":  func() error { return s.started(c.Start(ctx, node)) },
		"reset":  func() error { return s.started(c.Reset(ctx, node)) },
		"freeze": func() error { return c.Freeze(node) },
		"thaw":   func() error { return c.Thaw(node) },
		"slow":   func() error { return c.Slow(node, netns.Link{Delay: in.Delay, Loss: in.Loss}) },
	}[in.Act]
	if one == nil {
		return "", fmt.Errorf("unknown act %q", in.Act)
	}
	return "", one()
}

// started tells of new processes.
func (s *Server) started(err error) error {
	return errors.Join(err, s.update(func(*Description) {}))
}
