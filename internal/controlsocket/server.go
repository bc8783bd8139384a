// Package controlsocket is how programs of one user steer another that runs: JSON over HTTP, on a Unix socket, or, where there is no
// such socket, on a port of loopback with a secret. The socket, and what tells the secret, belong into a folder that only this user
// may enter. It never listens beyond the machine, and knows nothing of what is asked and answered.
package controlsocket

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
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
)

// Bounds of a server.
const (
	readHeaderTimeout = 5 * time.Second
	shutdownTimeout   = 2 * time.Second
	maxConnections    = 64
	maxBody           = 64 << 10 // of a request, in bytes
	maxSocketPath     = 100      // bytes; systems take 104 to 108 with the end
)

// Place is where a server listens. It is kept as JSON where others of the user find it.
type Place struct {
	Network string `json:"network"` // unix or tcp
	Address string `json:"address"`
	Token   string `json:"token,omitempty"` // of tcp
}

// Server answers others. Its methods may be called from several goroutines.
type Server struct {
	path    string
	place   Place
	http    *http.Server
	serving sync.WaitGroup
}

// Listen starts a server, which the caller closes. path is the socket's; what a killed process has left there is removed. Where a
// socket cannot have that path, it listens on loopback.
func Listen(path string, handler http.Handler) (*Server, error) {
	s := &Server{path: path}
	listener, err := s.listen()
	if err != nil {
		return nil, err
	}
	s.http = &http.Server{
		Handler: s.guarded(handler), ReadHeaderTimeout: readHeaderTimeout, MaxHeaderBytes: maxBody,
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}
	s.serving.Go(func() { _ = s.http.Serve(netutil.LimitListener(listener, maxConnections)) }) // it ends when it is closed
	return s, nil
}

func (s *Server) listen() (net.Listener, error) {
	if runtime.GOOS != "windows" && len(s.path) <= maxSocketPath {
		s.place = Place{Network: "unix", Address: s.path}
		_ = os.Remove(s.path) // as a rule there is none
		return net.Listen("unix", s.path)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err == nil {
		s.place = Place{Network: "tcp", Address: listener.Addr().String(), Token: rand.Text()}
	}
	return listener, err
}

func (s *Server) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		given := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		if token := s.place.Token; token != "" && subtle.ConstantTimeCompare([]byte(given), []byte(token)) != 1 {
			http.Error(w, "the token is not the one in the description", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Place returns where it listens.
func (s *Server) Place() Place { return s.place }

// Close ends the server and removes its socket. What is being answered gets a moment.
func (s *Server) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	if s.http.Shutdown(ctx) != nil {
		_ = s.http.Close() // what is cut off is told so by that
	}
	s.serving.Wait()
	_ = os.Remove(s.path) // closing removes it, as a rule
}

// RequestError says that a request is not what was expected.
type RequestError struct{ Err error }

func (e *RequestError) Error() string { return fmt.Sprintf("read the request: %v", e.Err) }

// Handle makes a handler of a function: a request's body goes in, an answer's comes out. told makes an answer's body of an error,
// of do or a *[RequestError].
func Handle[T any](do func(ctx context.Context, in T) (any, error), told func(error) any) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var in T
		if err := Read(w, r, &in); err != nil {
			Answer(w, http.StatusBadRequest, told(err))
			return
		}
		out, err := do(r.Context(), in)
		if err != nil {
			Answer(w, http.StatusUnprocessableEntity, told(err))
			return
		}
		Answer(w, http.StatusOK, out)
	}
}

// Read reads a request's body. The error is a *[RequestError].
func Read(w http.ResponseWriter, r *http.Request, in any) error {
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(in); err != nil {
		return &RequestError{err}
	}
	return nil
}

// Answer writes a body.
func Answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) //nolint:errchkjson // types of our own; and a client that has gone needs no answer
}
