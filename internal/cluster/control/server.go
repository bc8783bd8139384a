package control

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/netutil"

	"github.com/pandakit/panda/internal/cluster"
	"github.com/pandakit/panda/internal/netns"
	"github.com/pandakit/panda/internal/processid"
)

// Bounds of the server.
const (
	readHeaderTimeout = 5 * time.Second
	shutdownTimeout   = 2 * time.Second
	maxConnections    = 64
	maxBody           = 64 << 10
	maxSocketPath     = 100 // bytes; systems take 104 to 108 with the end
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

// Server listens for one cluster. Its methods may be called from several goroutines.
type Server struct {
	folder  string
	cluster *cluster.Cluster
	stop    func()
	token   string
	http    *http.Server
	serving sync.WaitGroup

	mu      sync.Mutex // held while the description is written
	claimed *Claimed
}

// Serve lets others steer a cluster, in a folder that this process has claimed; the caller closes the server. stop is called
// when one wants it down.
func Serve(claimed *Claimed, c *cluster.Cluster, stop func()) (*Server, error) {
	s := &Server{folder: claimed.folder, cluster: c, stop: stop, claimed: claimed}
	listener, err := s.listen()
	if err != nil {
		return nil, fmt.Errorf("listen for other commands: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", func(w http.ResponseWriter, r *http.Request) {
		answer(w, http.StatusOK, s.cluster.Status(r.Context()))
	})
	mux.HandleFunc("POST /v1/do", s.do)
	s.http = &http.Server{
		Handler: s.guarded(mux), ReadHeaderTimeout: readHeaderTimeout, MaxHeaderBytes: maxBody,
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}
	s.serving.Go(func() { _ = s.http.Serve(netutil.LimitListener(listener, maxConnections)) }) // it ends when it is closed
	err = s.update(func(d *Description) {
		d.Network, d.Address, d.Token = listener.Addr().Network(), listener.Addr().String(), s.token
	})
	if err != nil {
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

func (s *Server) listen() (net.Listener, error) {
	path := socketFile(s.folder)
	if runtime.GOOS == "windows" || len(path) > maxSocketPath {
		s.token = rand.Text()
		return net.Listen("tcp", "127.0.0.1:0")
	}
	_ = os.Remove(path) // of a cluster that was killed
	return net.Listen("unix", path)
}

func (s *Server) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		given := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		if s.token != "" && subtle.ConstantTimeCompare([]byte(given), []byte(s.token)) != 1 {
			http.Error(w, "the token is not the one in the description", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Close ends the server. What is being answered gets a moment.
func (s *Server) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	if s.http.Shutdown(ctx) != nil {
		_ = s.http.Close() // what is cut off is told so by that
	}
	s.serving.Wait()
	_ = os.Remove(socketFile(s.folder)) // closing removes it, as a rule
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) //nolint:errchkjson // our own types; and a client that has gone needs no answer
}

func (s *Server) do(w http.ResponseWriter, r *http.Request) {
	var in Request
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&in); err != nil {
		answer(w, http.StatusBadRequest, &Error{Text: "read the request: " + err.Error()})
		return
	}
	out, err := s.act(r.Context(), in)
	if err != nil {
		_, unknown := errors.AsType[*cluster.UnknownNodeError](err)
		_, refused := errors.AsType[*cluster.RefusedError](err)
		answer(w, http.StatusUnprocessableEntity, &Error{err.Error(), unknown, refused})
		return
	}
	answer(w, http.StatusOK, out)
}

// act carries out a request; what it returns is the answer.
func (s *Server) act(ctx context.Context, in Request) (string, error) {
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
