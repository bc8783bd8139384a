package image

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
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

// CheckReference tells whether an image can have a name, with or without a tag.
func CheckReference(reference string) error {
	if _, err := name.NewTag(reference, name.WeakValidation); err != nil {
		return fmt.Errorf("%q cannot be the name of an image: want lower-case letters, digits and . _ - between them, "+
			"after a registry or folders if any, and :TAG at most behind it", reference)
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
	write := []remote.Option{remote.WithContext(ctx), remote.WithTransport(guarded{base, r.PlainHTTP}), remote.WithUserAgent("panda")}
	if r.Keychain != nil {
		write = append(write, remote.WithAuthFromKeychain(r.Keychain))
	}
	if err := r.push(tag, image, write); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return pushError(image.Reference, err)
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

// guarded speaks HTTP without TLS to this machine alone, unless it was allowed to.
type guarded struct {
	base  http.RoundTripper
	plain bool
}

// errPlain is what a request meets that would go over the network without TLS.
var errPlain = errors.New("it speaks HTTP without TLS, which is allowed to this machine alone")

// RoundTrip implements http.RoundTripper.
func (g guarded) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme != "https" && !g.plain && !isLoopback(req.URL.Hostname()) {
		return nil, errPlain
	}
	return g.base.RoundTrip(req)
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// pushError makes one reason of what the registry, or the way to it, says.
func pushError(reference string, err error) error {
	push := &PushError{Reference: reference}
	answered, ok := errors.AsType[*transport.Error](err)
	switch {
	case ok:
		push.Status = answered.StatusCode
		push.Reason = statusReason(answered)
	case errors.Is(err, errPlain):
		push.Reason = errPlain.Error()
	default:
		if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
			push.Reason = "the registry does not answer: " + innermost(err).Error()
		} else {
			push.Reason = innermost(err).Error()
		}
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
