package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/pandakit/panda/internal/controlsocket"
	"github.com/pandakit/panda/internal/privatefolder"
	"github.com/pandakit/panda/internal/workspace"
	"github.com/pandakit/panda/internal/workspace/tail"
)

// Config is what a server gives access to. All fields are required.
type Config struct {
	Folder   string   // for running workspaces, see [Folder]
	Folders  []string // of the workspace
	Dir      string   // where it was started
	Registry string
	Runner   *workspace.Runner
	Lines    *tail.Store
	Stop     func() // is called to end the whole workspace, at most once
}

// Server listens for one workspace. Its methods may be called from several goroutines.
type Server struct {
	Config
	description Description
	socket      *controlsocket.Server
	stopOnce    sync.Once
	upgrades    upgrades

	drained  chan struct{} // closed when the workspace has ended
	drainErr error
}

// Listen starts a server, which the caller closes. What others have left in the folder is not touched.
func Listen(cfg Config) (*Server, error) {
	s := &Server{Config: cfg, drained: make(chan struct{})}
	s.description = Description{PID: os.Getpid(), Folders: cfg.Folders, Dir: cfg.Dir, Registry: cfg.Registry, Started: time.Now()}
	if err := s.listen(); err != nil {
		return nil, fmt.Errorf("listen for other commands: %w", err)
	}
	s.description.Place = s.socket.Place()
	if err := write(cfg.Folder, &s.description); err != nil {
		s.Close()
		return nil, fmt.Errorf("listen for other commands: %w", err)
	}
	return s, nil
}

func (s *Server) listen() error {
	if err := privatefolder.Make(s.Folder, purpose); err != nil {
		return err
	}
	path := socketFile(s.Folder, s.description.PID)
	var err error
	s.socket, err = controlsocket.Listen(path, s.handler())
	if errors.Is(err, os.ErrNotExist) { // another workspace has just removed the folder as it left
		if err = os.MkdirAll(s.Folder, 0o700); err == nil {
			s.socket, err = controlsocket.Listen(path, s.handler())
		}
	}
	return err
}

// Drained says that no service runs any more, and with what result, to those who asked for the end. It is called once.
func (s *Server) Drained(err error) {
	s.drainErr = err
	close(s.drained)
}

// Close ends the server, and leaves no file behind. What is being answered gets a moment.
func (s *Server) Close() {
	_ = os.Remove(descriptionFile(s.Folder, s.description.PID)) // it may not have been written
	s.socket.Close()
	_ = os.Remove(s.Folder) // which fails while others are in it
}

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", s.status)
	mux.HandleFunc("GET /v1/logs", s.logs)
	mux.HandleFunc("POST /v1/stop", s.stop)
	mux.HandleFunc("POST /v1/restart", handle(func(ctx context.Context, in servicesRequest) (any, error) {
		return struct{}{}, s.Runner.Restart(ctx, in.Services)
	}))
	mux.HandleFunc("POST /v1/scale", handle(func(ctx context.Context, in scaleRequest) (any, error) {
		return struct{}{}, s.scale(ctx, in.Replicas)
	}))
	mux.HandleFunc("POST /v1/attach", handle(func(ctx context.Context, in attachRequest) (any, error) {
		address, err := s.Runner.Attach(ctx, in.Service, in.Address)
		return attachAnswer{address}, err
	}))
	mux.HandleFunc("POST /v1/detach", handle(func(ctx context.Context, in attachRequest) (any, error) {
		return struct{}{}, s.Runner.Detach(ctx, in.Service)
	}))
	s.handleUpgrades(mux)
	return mux
}

// handle makes a handler of a function: a request's body goes in, an answer's comes out.
func handle[T any](do func(ctx context.Context, in T) (any, error)) http.HandlerFunc {
	return controlsocket.Handle(do, func(err error) any { return errorOf(err) })
}

func (s *Server) status(w http.ResponseWriter, _ *http.Request) {
	controlsocket.Answer(w, http.StatusOK, Status{
		PID: s.description.PID, Folders: s.Folders, Registry: s.Registry, Started: s.description.Started, Services: s.Runner.Status(),
	})
}

// scale scales all, in the order of their names, or none when one makes no sense.
func (s *Server) scale(ctx context.Context, replicas map[string]int) error {
	names := make([]string, 0, len(replicas))
	for name := range replicas {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if err := s.Runner.CheckScale(name, replicas[name]); err != nil {
			return err
		}
	}
	for _, name := range names {
		if err := s.Runner.Scale(ctx, name, replicas[name]); err != nil {
			return err
		}
	}
	return nil
}

// stop drains services, or the whole workspace; then it answers when nothing runs any more.
func (s *Server) stop(w http.ResponseWriter, r *http.Request) {
	handle(func(ctx context.Context, in servicesRequest) (any, error) {
		if len(in.Services) > 0 {
			return stopAnswer{}, s.Runner.Stop(ctx, in.Services)
		}
		s.stopOnce.Do(s.Stop)
		select {
		case <-s.drained:
		case <-ctx.Done():
			return stopAnswer{}, ctx.Err()
		}
		if s.drainErr != nil {
			return stopAnswer{}, s.drainErr
		}
		return stopAnswer{}, nil
	})(w, r)
}

// logs writes lines as JSON, one a line; with follow until the client goes or the workspace ends.
func (s *Server) logs(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	n, err := strconv.Atoi(query.Get("n"))
	if err != nil || n < 0 {
		controlsocket.Answer(w, http.StatusBadRequest, &Error{Text: fmt.Sprintf("n is %q, want a number from 0", query.Get("n")), Wrong: true})
		return
	}
	services := query["service"]
	if err := s.Runner.Know(services); err != nil {
		controlsocket.Answer(w, http.StatusUnprocessableEntity, errorOf(err))
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	encoder, flusher := json.NewEncoder(w), http.NewResponseController(w)
	write := func(lines []tail.Line) error {
		for _, line := range lines {
			if err := encoder.Encode(line); err != nil {
				return err
			}
		}
		return flusher.Flush()
	}
	if query.Get("follow") == "" {
		_ = write(s.Lines.Last(services, n)) // to a client that has gone there is nothing to say
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	var waiting sync.WaitGroup
	waiting.Go(func() {
		select {
		case <-s.drained:
			cancel()
		case <-ctx.Done():
		}
	})
	defer waiting.Wait()
	defer cancel()
	_ = write(nil)                              // that it has begun
	_ = s.Lines.Follow(ctx, services, n, write) // it ends with its client
}
