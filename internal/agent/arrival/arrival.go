// Package arrival bounds how long the body of a request may take to arrive, whoever reads it: a server reads what a
// handler has left of it before it answers, and would wait for a client that never sends the rest.
//
// It bounds no size, and never a request without a body, which may wait for its answer as long as it likes.
package arrival

import (
	"errors"
	"io"
	"net/http"
	"os"
	"time"
)

// Timeout is how long a body may take that is not known to be large.
const Timeout = 30 * time.Second

// Bound returns the request with a body that fails unless all of it arrives within the timeout from now: see [Late]. A
// later read deadline of the connection takes the place of this one. Nothing is bounded any more once the body has been
// read to its end, nor where w has no connection, as that of a test.
func Bound(w http.ResponseWriter, r *http.Request, timeout time.Duration) *http.Request {
	if r.Body == nil || r.Body == http.NoBody {
		return r
	}
	connection := http.NewResponseController(w)
	if connection.SetReadDeadline(time.Now().Add(timeout)) != nil {
		return r
	}
	bound := r.WithContext(r.Context()) // the server looks at the body of its own
	bound.Body = &body{r.Body, connection}
	return bound
}

// Late reports whether a body could not be read because it did not arrive in time.
func Late(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

type body struct {
	io.ReadCloser

	connection *http.ResponseController
}

// Read takes the deadline away at the end: the server goes on to read, to learn whether the client is still there.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		_ = b.connection.SetReadDeadline(time.Time{}) // it could be set before
	}
	return n, err
}
