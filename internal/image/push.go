package image

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// Bounds of each request to a registry; the time that sending takes is not bounded.
const (
	dialTimeout   = 10 * time.Second
	tlsTimeout    = 10 * time.Second
	answerTimeout = 60 * time.Second
	idleTimeout   = 90 * time.Second
)

// Registry is how registries are spoken to. Its zero value takes no credentials and speaks HTTPS, but HTTP to this machine.
type Registry struct {
	Keychain authn.Keychain // nil: no credentials
	// PlainHTTP allows HTTP beyond this machine, where others can read and change what is sent.
	PlainHTTP bool
	// AnswerTimeout bounds the wait for an answer to each request; 0 is a minute.
	AnswerTimeout time.Duration
}

// PushError says that a registry has not taken an image.
type PushError struct {
	Reference string
	Status    int // of HTTP, or 0 when there was no answer
	Reason    string
}

func (e *PushError) Error() string { return fmt.Sprintf("push %s: %s", e.Reference, e.Reason) }

// imageName is what engines and registries agree on: folders or a registry, a name and a tag.
var imageName = regexp.MustCompile( //nolint:gochecknoglobals // constant
	`^(?:(?:[a-zA-Z0-9][a-zA-Z0-9.-]*(?::[0-9]+)?|\[[0-9a-fA-F:]+\](?::[0-9]+)?)/)?` +
		`[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*(?::\w[\w.-]{0,127})?$`)

// CheckReference tells whether an image can have a name, with or without a tag.
func CheckReference(text string) error {
	if _, err := name.NewTag(text, name.WeakValidation); err != nil || !imageName.MatchString(text) {
		return fmt.Errorf("%q cannot be the name of an image: want lower-case letters, digits and . _ - between them, "+
			"after a registry or folders if any, and :TAG at most behind it", text)
	}
	return nil
}

// Push writes an image, and then the bills of materials of its variants as referrers, to the registry that its
// reference names. The tag is set last, when all else is there. What goes wrong is a *[PushError], or ctx's error.
func (r Registry) Push(ctx context.Context, image Named) error {
	var options []name.Option
	if r.PlainHTTP {
		options = append(options, name.Insecure)
	}
	tag, err := name.NewTag(image.Reference, options...)
	if err != nil {
		return err
	}
	base := r.newTransport()
	defer base.CloseIdleConnections()
	guard := &guarded{base: base, plain: r.PlainHTTP}
	write := []remote.Option{remote.WithContext(ctx), remote.WithTransport(guard), remote.WithUserAgent("panda")}
	if r.Keychain != nil {
		write = append(write, remote.WithAuthFromKeychain(r.Keychain))
	}
	if err := r.push(tag, image, write); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return pushError(image.Reference, err, guard.failure())
	}
	return nil
}

func (r Registry) push(tag name.Tag, image Named, options []remote.Option) error {
	digest, err := image.Index.Digest()
	if err != nil {
		return err
	}
	if err := remote.WriteIndex(tag.Digest(digest.String()), image.Index, options...); err != nil {
		return err
	}
	for _, v := range image.Variants {
		bill, err := v.referrer()
		if err != nil {
			return err
		}
		digest, err := bill.Digest()
		if err != nil {
			return err
		}
		if err := remote.Write(tag.Digest(digest.String()), bill, options...); err != nil {
			return fmt.Errorf("attach the bill of materials for %s: %w", v.Platform, err)
		}
	}
	return remote.Tag(tag, image.Index, options...)
}

func (r Registry) newTransport() *http.Transport {
	answer := r.AnswerTimeout
	if answer == 0 {
		answer = answerTimeout
	}
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: dialTimeout}).DialContext,
		ForceAttemptHTTP2:     true,
		TLSHandshakeTimeout:   tlsTimeout,
		ResponseHeaderTimeout: answer,
		IdleConnTimeout:       idleTimeout,
	}
}

// guarded speaks HTTP without TLS to this machine alone, unless it was allowed to, and remembers why it got no answer:
// where both are tried, the caller is told of both.
type guarded struct {
	base  http.RoundTripper
	plain bool

	mu     sync.Mutex
	failed error // guarded by mu
}

// errPlain is what a request meets that would go over the network without TLS.
var errPlain = errors.New("it speaks HTTP without TLS, which is allowed to this machine alone")

// RoundTrip implements http.RoundTripper.
func (g *guarded) RoundTrip(req *http.Request) (*http.Response, error) {
	loopback := isLoopback(req.URL.Hostname())
	if req.URL.Scheme != "https" && !g.plain && !loopback {
		g.remember(errPlain)
		return nil, errPlain
	}
	resp, err := g.base.RoundTrip(req)
	switch {
	case errors.Is(err, http.ErrSchemeMismatch) && !g.plain && !loopback:
		g.remember(errPlain)
	case err != nil && !errors.Is(err, http.ErrSchemeMismatch):
		g.remember(err)
	}
	return resp, err
}

func (g *guarded) remember(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.failed = err
}

func (g *guarded) failure() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.failed
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// pushError makes one reason of what the registry says, or of why it says nothing.
func pushError(reference string, err, silence error) error {
	push := &PushError{Reference: reference}
	if answered, ok := errors.AsType[*transport.Error](err); ok {
		push.Status, push.Reason = answered.StatusCode, statusReason(answered)
		return push
	}
	if silence != nil {
		err = silence
	}
	push.Reason = innermost(err).Error()
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		push.Reason = "the registry does not answer: " + push.Reason
	}
	return push
}

func statusReason(e *transport.Error) string {
	var said []string
	for _, d := range e.Errors {
		said = append(said, strings.TrimSpace(string(d.Code)+" "+d.Message))
	}
	reason := fmt.Sprintf("the registry answers %d %s", e.StatusCode, http.StatusText(e.StatusCode))
	if len(said) > 0 {
		reason += ": " + strings.Join(said, "; ")
	}
	return reason
}

// innermost returns the cause of an error of the net packages, whose texts name the address themselves.
func innermost(err error) error {
	if e, ok := errors.AsType[*net.OpError](err); ok {
		return e
	}
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err
		}
		err = next
	}
}
