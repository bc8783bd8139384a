package panda

import (
	"context"
	"io"
	"net/http"
	"sync"
)

// requestBody hands the body of one request to one attempt after the other.
type requestBody struct {
	fresh func() (io.ReadCloser, error) // makes a copy for each attempt; nil when there is only the one
	only  *heldBody                     // nil when there is no body, or fresh
}

// newRequestBody takes over the request's body, which release closes at the latest, or the transport once it has
// what it needs of it.
func newRequestBody(r *http.Request) *requestBody {
	switch {
	case r.Body == nil || r.Body == http.NoBody:
		return new(requestBody)
	case r.GetBody != nil:
		_ = r.Body.Close() // each attempt reads a copy
		return &requestBody{fresh: r.GetBody}
	}
	return &requestBody{only: &heldBody{body: r.Body, closed: true}}
}

// next returns the body of the next attempt.
func (b *requestBody) next() (io.ReadCloser, error) {
	switch {
	case b.fresh != nil:
		return b.fresh()
	case b.only != nil:
		b.only.reopen()
		return b.only, nil
	}
	return http.NoBody, nil
}

// again reports whether another attempt can have the whole body.
func (b *requestBody) again() bool { return b.only == nil || b.only.untouched() }

// repeatable reports whether every attempt can have the whole body, whatever the last one has read of it.
func (b *requestBody) repeatable() bool { return b.only == nil }

// release says that there will be no further attempt. The last one may still be sending.
func (b *requestBody) release() {
	if b.only != nil {
		b.only.release()
	}
}

// heldBody is a body that cannot be read twice. The transport closes a request's body also where it could not
// connect; then, nothing of it having been read, it stays open for the next attempt.
type heldBody struct {
	body io.ReadCloser

	mu     sync.Mutex
	read   bool // a part is with an instance
	closed bool // by the transport, or not handed to it yet
	last   bool // there will be no further attempt
}

func (h *heldBody) Read(p []byte) (int, error) {
	h.mu.Lock()
	closed := h.closed
	h.read = h.read || !closed
	h.mu.Unlock()
	if closed {
		return 0, http.ErrBodyReadAfterClose
	}
	return h.body.Read(p)
}

// Close is the transport's.
func (h *heldBody) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil
	}
	h.closed = true
	if h.read || h.last {
		return h.body.Close()
	}
	return nil
}

func (h *heldBody) release() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed && !h.read && !h.last {
		_ = h.body.Close() // nobody has read it, so nobody can miss its error
	}
	h.last = true
}

func (h *heldBody) untouched() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return !h.read
}

func (h *heldBody) reopen() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.read {
		h.closed = false
	}
}

// endingBody is a response's body that lets go of the request's context when no more is read of it.
type endingBody struct {
	io.ReadCloser
	end context.CancelFunc
}

func (b *endingBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		b.end()
	}
	return n, err
}

func (b *endingBody) Close() error {
	defer b.end()
	return b.ReadCloser.Close()
}
