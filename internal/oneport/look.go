package oneport

import (
	"container/list"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"time"
)

// verdict says who gets a connection.
type verdict int

const (
	undecided verdict = iota
	toGRPC
	toHTTP
	drop // nobody; look.why says why
)

const (
	// maxLook bounds what is read before a connection is told apart; net/http judges what is longer.
	maxLook = 64 << 10
	// firstRead fits the first flight of every usual client.
	firstRead = 1 << 10
	// writeTime bounds the writing of a frame, all of which are tiny: a client that does not take one at
	// once is not reading.
	writeTime = time.Second
	// lingerTime bounds the wait for a refused client to read its refusal and hang up.
	lingerTime = time.Second
)

// errClosed ends a look because the port was closed.
var errClosed = errors.New("the port was closed")

// look is one connection from the time it is accepted until it is handed over or closed.
type look struct {
	port   *Port
	raw    net.Conn      // as accepted
	conn   net.Conn      // raw, or TLS over it
	queued *list.Element // in port.pending; guarded by port.mu

	buf []byte // what was read, without the frames answered here
	h2  greeting
	why string // for drop
}

func newLook(p *Port, raw net.Conn) *look {
	l := &look{port: p, raw: raw, conn: raw}
	if p.opts.TLS != nil {
		l.conn = tls.Server(raw, p.opts.TLS)
	}
	return l
}

// interrupt makes a look end soon; the port is closed and its mu held.
func (l *look) interrupt() {
	_ = l.raw.SetDeadline(time.Unix(1, 0)) // a dead connection ends by itself
}

// close closes the connection without any word to the client.
func (l *look) close() {
	_ = l.raw.Close() // there is nobody to tell
}

// note logs why a connection goes to no server.
func (l *look) note(reason string, err error) {
	args := []any{"remote", l.raw.RemoteAddr(), "reason", reason}
	if err != nil {
		args = append(args, "error", err)
	}
	l.port.opts.Logger.Debug("connection closed before it was told apart", args...)
}

// run looks at the connection and hands it over.
func (l *look) run() {
	target, err := l.decide()
	open := l.port.release(l)
	switch {
	case errors.Is(err, errClosed) || !open:
		l.refuse()
	case err != nil:
		l.noteEnd(err)
		l.close()
	case target == drop:
		l.note(l.why, nil)
		l.close()
	default:
		l.handOver(target)
	}
}

// noteEnd logs why a connection ended early, but for a prober that only connects, and for one that was
// closed here.
func (l *look) noteEnd(err error) {
	if (errors.Is(err, io.EOF) && len(l.buf) == 0) || errors.Is(err, net.ErrClosed) {
		return
	}
	l.note("it ended early", err)
}

// handOver gives the connection to the server it is for.
func (l *look) handOver(target verdict) {
	if err := l.conn.SetReadDeadline(time.Time{}); err != nil {
		l.close()
		return
	}
	to := l.port.http
	if target == toGRPC {
		to = l.port.grpc
	}
	if !to.offer(l.wrapped(target)) {
		l.refuse()
	}
}

// decide reads until it is clear who the connection is for.
func (l *look) decide() (verdict, error) {
	if !l.port.readBy(l, time.Now().Add(l.port.opts.SniffTimeout)) {
		return undecided, errClosed
	}
	if err := l.handshake(); err != nil {
		return undecided, err
	}
	l.buf = make([]byte, 0, firstRead)
	for {
		if v := l.judge(); v != undecided {
			return v, nil
		}
		if len(l.buf) >= maxLook {
			return toHTTP, nil
		}
		if err := l.answer(); err != nil {
			return undecided, err
		}
		if err := l.read(); err != nil {
			return undecided, err
		}
	}
}

// judge tells the connection apart by what has been read so far.
func (l *look) judge() verdict {
	switch {
	case len(l.buf) == 0:
		return undecided
	case l.buf[0] == tlsHandshake && l.port.opts.TLS == nil:
		l.why = "a TLS client called a plain text port"
		return drop
	case !isPreface(l.buf):
		return toHTTP
	case len(l.buf) < len(preface):
		return undecided
	}
	return l.frames()
}

// read waits for more bytes. A client that has said all of HTTP/2's greeting may stay silent.
func (l *look) read() error {
	quiet := l.quiet()
	if quiet {
		l.port.settle(l)
	}
	if err := l.limit(quiet); err != nil {
		return err
	}
	l.buf = slices.Grow(l.buf, min(firstRead, maxLook-len(l.buf)))
	n, err := l.conn.Read(l.buf[len(l.buf):min(cap(l.buf), maxLook)])
	l.buf = l.buf[:len(l.buf)+n]
	if n > 0 {
		return nil // an error comes again
	}
	switch {
	case !errors.Is(err, os.ErrDeadlineExceeded):
		return err
	case l.port.isClosed():
		return errClosed
	case quiet:
		return l.park()
	}
	return err
}

// limit gives the client a new time limit when it falls silent after its greeting, and when it
// speaks again.
func (l *look) limit(quiet bool) error {
	if quiet == l.h2.silent {
		return nil
	}
	l.h2.silent = quiet
	if !l.port.readBy(l, time.Now().Add(l.port.opts.SniffTimeout)) {
		return errClosed
	}
	return nil
}

// park waits without limit for a client that has been silent for long, and acknowledges its settings,
// because some clients close a connection on which that does not happen.
func (l *look) park() error {
	if err := l.acknowledge(); err != nil {
		return err
	}
	if !l.port.readBy(l, time.Time{}) {
		return errClosed
	}
	return nil
}

// refuse closes the connection. An HTTP/2 client is told first that none of its requests was begun, so
// that it may send them elsewhere without asking anybody.
func (l *look) refuse() {
	defer l.close()
	if l.h2.pos == 0 {
		return
	}
	if err := l.goAway(); err != nil {
		return
	}
	// Closing with unread bytes would reset the connection, and the client might never see the frame.
	if half, ok := l.conn.(closeWriter); !ok || half.CloseWrite() != nil {
		return
	}
	if l.conn.SetReadDeadline(time.Now().Add(lingerTime)) == nil {
		_, _ = io.CopyN(io.Discard, l.conn, maxLook) // only the wait matters
	}
}
