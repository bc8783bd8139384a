// Package engine is what Panda asks of a container engine that runs already, Docker's or one with its API such as
// Podman: which containers a service has, another one like it with a new image, the end of an old one with time to
// drain, and taking in an image. It starts no engine, pulls nothing, and touches no container but those it is told to.
package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"
)

// The labels that containers are found and told by. A container has those of its image, too.
const (
	// ServiceLabel holds the name of the service that a container, or an image, is of.
	ServiceLabel = "dev.panda.service"
	// VersionLabel holds the version of the program in an image.
	VersionLabel = "org.opencontainers.image.version"
	// ProjectLabel holds the Compose project that a container belongs to.
	ProjectLabel = "com.docker.compose.project"
	// NumberLabel holds the number that a container has among those of its Compose service.
	NumberLabel = "com.docker.compose.container-number"
	// composeImage holds the ID of the image that Compose made the container from.
	composeImage = "com.docker.compose.image"
)

// Bounds of what the engine is asked. Loading an image is bounded by its caller alone: its size is the caller's.
const (
	findTimeout   = 3 * time.Second  // of one place where an engine may listen
	askTimeout    = 30 * time.Second // of one question
	removeTimeout = 15 * time.Second // of taking back what was half made, after the caller has given up
)

// Engine is a container engine that has answered. Its methods may be called from several goroutines at once.
type Engine struct {
	api   *client.Client
	about About
	ask   time.Duration // askTimeout, but in tests
}

// About is what an engine says of itself.
type About struct {
	Host    string // as in DOCKER_HOST
	Name    string // the product, such as "Docker Desktop 4.49.0"; may be empty
	Version string // of the engine, such as "28.5.2"
	API     string // the version of the API that is spoken with it
	OS      string // of its containers: "linux" or "windows"
	Arch    string // of its containers, in Go's words
}

// Open finds the engine and asks it for its version. The place is what DOCKER_HOST names, else Docker's current context,
// which DOCKER_CONTEXT overrides, else the first of the usual sockets that answers. When none does, the error is a
// *[NoneError]. The engine is to be closed.
func Open(ctx context.Context, getenv func(string) string) (*Engine, error) {
	places, err := find(getenv)
	if err != nil {
		return nil, err
	}
	none := &NoneError{}
	for _, p := range places {
		e, err := open(ctx, p)
		if err == nil {
			return e, nil
		}
		if ctx.Err() != nil {
			return nil, errors.New("look for a container engine: interrupted")
		}
		none.Tried = append(none.Tried, Attempt{Host: p.host, Source: p.source, Err: err})
	}
	return nil, none
}

func open(ctx context.Context, p place) (*Engine, error) {
	options := []client.Opt{client.WithUserAgent("panda")}
	if p.tls != nil {
		options = append(options, client.WithTLSClientConfig(p.tls.ca, p.tls.certificate, p.tls.key))
	}
	api, err := client.New(append(options, client.WithHost(p.host))...)
	if err != nil {
		return nil, err
	}
	e := &Engine{api: api, about: About{Host: p.host}, ask: askTimeout}
	if err := e.greet(ctx); err != nil {
		e.Close()
		return nil, err
	}
	return e, nil
}

// greet agrees on a version of the API.
func (e *Engine) greet(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, findTimeout)
	defer cancel()
	ping, err := e.api.Ping(ctx, client.PingOptions{NegotiateAPIVersion: true})
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("no answer within %v", findTimeout)
	case err != nil && ping.APIVersion != "":
		return fmt.Errorf("it speaks version %s of the API; %s is the least", ping.APIVersion, client.MinAPIVersion)
	case err != nil:
		return cause(err)
	case ping.APIVersion == "":
		return errors.New("what answers is no container engine")
	}
	version, err := e.api.ServerVersion(ctx, client.ServerVersionOptions{})
	if err != nil {
		return cause(err)
	}
	e.about.API = e.api.ClientVersion()
	e.about.Name, e.about.Version, e.about.OS, e.about.Arch = version.Platform.Name, version.Version, version.Os, version.Arch
	return nil
}

// Close frees the connections. The engine and its containers run on.
func (e *Engine) Close() { _ = e.api.Close() } // it has nothing to tell

// About returns what the engine has said of itself.
func (e *Engine) About() About { return e.about }

// String names the engine as a person would look for it: "engine 28.5.2 at unix:///var/run/docker.sock".
func (e *Engine) String() string { return "engine " + e.about.Version + " at " + e.about.Host }

// bounded returns the context of one question.
func (e *Engine) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, e.ask)
}

// MissingError says that the engine does not have what it was asked for.
type MissingError struct {
	Kind string // "image", "container" or "network"
	Name string
	Host string // of the engine
}

func (e *MissingError) Error() string {
	return fmt.Sprintf("there is no %s %q at %s", e.Kind, e.Name, e.Host)
}

// explain says what became of a question: the engine's own words without its client's, or that there was no answer.
func (e *Engine) explain(ctx context.Context, act string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("%s: interrupted: %w", act, err)
	case errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil: // not the caller's bound but ours
		return fmt.Errorf("%s: %s did not answer within %v", act, e.about.Host, e.ask)
	}
	return fmt.Errorf("%s: %w", act, cause(err))
}

// missing returns a *[MissingError] in place of the engine's "no such", and other errors as explain does.
func (e *Engine) missing(ctx context.Context, act, kind, name string, err error) error {
	if errdefs.IsNotFound(err) {
		return &MissingError{Kind: kind, Name: name, Host: e.about.Host}
	}
	return e.explain(ctx, act, err)
}

// cause returns the innermost reason why an engine could not be asked, or what it has answered. The client's own texts
// around them name a daemon, a version and a path of the API, which tell a user nothing.
func cause(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err
	}
	if errors.Is(err, os.ErrPermission) || strings.HasPrefix(err.Error(), "permission denied") {
		return os.ErrPermission
	}
	if strings.HasPrefix(err.Error(), "Cannot connect to the Docker daemon") { // which has no cause to unwrap
		return errors.New("nothing takes connections there")
	}
	text := strings.TrimSpace(strings.TrimPrefix(err.Error(), "Error response from daemon: "))
	if text == err.Error() {
		return err
	}
	return &answer{text: text, err: err}
}

// answer is an error that the engine has answered, in its words.
type answer struct {
	text string
	err  error
}

func (a *answer) Error() string { return a.text }
func (a *answer) Unwrap() error { return a.err }
