package oneport

import (
	"io"
	"net"
	"syscall"
)

// closeWriter is a connection that can be closed in one direction: TCP, Unix, TLS.
type closeWriter interface{ CloseWrite() error }

// conn is a connection that begins with bytes which were read already.
type conn struct {
	net.Conn
	replay []byte // nil once it is used up
}

func (c *conn) Read(p []byte) (int, error) {
	if c.replay == nil {
		return c.Conn.Read(p)
	}
	n := copy(p, c.replay)
	if c.replay = c.replay[n:]; len(c.replay) == 0 {
		c.replay = nil
	}
	return n, nil
}

// NetConn returns the connection below, for those who look for its TLS state or type. Reading from it
// would miss the bytes in front.
func (c *conn) NetConn() net.Conn { return c.Conn }

// halfConn is a conn that keeps CloseWrite, which net/http needs to end a connection softly.
type halfConn struct {
	conn
	half closeWriter
}

func (c *halfConn) CloseWrite() error { return c.half.CloseWrite() }

// socketConn is a halfConn over an operating system's socket.
type socketConn struct {
	halfConn
	socket syscall.Conn
}

func (c *socketConn) SyscallConn() (syscall.RawConn, error) { return c.socket.SyscallConn() }

// tcpConn is a socketConn that keeps sendfile, which net/http reaches through io.ReaderFrom.
type tcpConn struct {
	socketConn
	tcp io.ReaderFrom
}

func (c *tcpConn) ReadFrom(r io.Reader) (int64, error) { return c.tcp.ReadFrom(r) }

// replayed returns c with the bytes read put back in front, keeping what else c can do.
func replayed(c net.Conn, read []byte) net.Conn {
	base := conn{Conn: c}
	if len(read) > 0 {
		base.replay = read
	}
	half, ok := c.(closeWriter)
	if !ok {
		return &base
	}
	socket, ok := c.(syscall.Conn)
	if !ok {
		return &halfConn{base, half}
	}
	if tcp, ok := c.(*net.TCPConn); ok {
		return &tcpConn{socketConn{halfConn{base, half}, socket}, tcp}
	}
	return &socketConn{halfConn{base, half}, socket}
}

// wrapped returns the connection as the server will see it.
func (l *look) wrapped(target verdict) net.Conn {
	c := replayed(l.conn, l.buf)
	l.buf = nil
	h := &l.h2
	// grpc-go's server ignores an acknowledgement too many, net/http's ends the connection.
	dropRead := target == toHTTP && h.sent && !h.acked
	if !dropRead && !h.answered {
		return c
	}
	f := &filterConn{Conn: c}
	f.in.done, f.in.skip = !dropRead, len(preface)
	f.out.done = !h.answered
	return f
}

// filterConn takes one acknowledgement of settings out of a stream of frames in one direction or in
// both, and after that costs a look at a flag.
type filterConn struct {
	net.Conn
	in, out filter
}

// filter is where in the stream of frames one direction is.
type filter struct {
	done bool
	skip int                  // bytes until the next frame's header
	head [frameHeaderLen]byte // of the next frame, in as far as it is there
	have int                  // bytes in head
	rest []byte               // of head, still to be passed on
}

// take adds bytes to the header and returns how many it took.
func (f *filter) take(p []byte) int {
	n := copy(f.head[f.have:], p)
	f.have += n
	return n
}

// judge ends a complete header: it either goes on, in rest, or is the one to drop.
func (f *filter) judge() {
	f.have = 0
	if h := parseFrame(f.head[:]); !h.isSettingsAck() {
		f.skip, f.rest = h.length, f.head[:]
		return
	}
	f.done = true
}

// NetConn returns the connection below.
func (c *filterConn) NetConn() net.Conn { return c.Conn }

func (c *filterConn) Read(p []byte) (int, error) {
	f := &c.in
	for !f.done && len(f.rest) == 0 && f.skip == 0 && len(p) > 0 {
		n, err := c.Conn.Read(f.head[f.have:])
		if f.have += n; f.have == frameHeaderLen {
			f.judge()
		} else if err != nil {
			return 0, err
		}
	}
	if len(f.rest) > 0 {
		n := copy(p, f.rest)
		f.rest = f.rest[n:]
		return n, nil
	}
	if f.done {
		return c.Conn.Read(p)
	}
	n, err := c.Conn.Read(p[:min(len(p), f.skip)])
	f.skip -= n
	return n, err
}

func (c *filterConn) Write(p []byte) (int, error) {
	if c.out.done {
		return c.Conn.Write(p)
	}
	out := c.out.pass(p)
	if len(out) == 0 {
		return len(p), nil
	}
	if _, err := c.Conn.Write(out); err != nil {
		return 0, err // how much of p was sent is unknown, and nobody goes on after an error
	}
	return len(p), nil
}

// pass returns what of p is to be written now.
func (f *filter) pass(p []byte) []byte {
	out := make([]byte, 0, len(p)+frameHeaderLen)
	for len(p) > 0 && !f.done {
		if n := min(f.skip, len(p)); n > 0 {
			out, p, f.skip = append(out, p[:n]...), p[n:], f.skip-n
			continue
		}
		p = p[f.take(p):]
		if f.have == frameHeaderLen {
			f.judge()
			out, f.rest = append(out, f.rest...), nil
		}
	}
	return append(out, p...)
}
