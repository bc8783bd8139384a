package lifesign

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"syscall"
	"time"
)

const (
	// dialTime bounds the connecting: the host of a process that stands still takes connections all the same.
	dialTime = time.Second
	// answerSize is how much of an answer is read, so that a short one is not cut off.
	answerSize = 4 << 10
)

// Question is what a server is asked for a sign of life, on a connection of its own. Whatever it says is one.
type Question struct {
	Address string // host:port
	// Text is sent to servers without TLS. With TLS no more is asked than to agree on a key, because no kernel does that
	// for its process.
	Text string
	TLS  *tls.Config // nil without TLS
}

// Options returns the question that any HTTP server at address understands: what it can do in general. It is for no resource,
// so that it reaches no handler of net/http's.
func Options(address string) Question {
	return Question{Address: address, Text: "OPTIONS * HTTP/1.1\r\nHost: " + address + "\r\nUser-Agent: panda\r\nConnection: close\r\n\r\n"}
}

// Ask asks until ctx is done. It gives up connecting after a second.
func (q Question) Ask(ctx context.Context) Answer {
	dialer := net.Dialer{Timeout: dialTime}
	connection, err := dialer.DialContext(ctx, "tcp", q.Address)
	if err != nil {
		return answerOf(err)
	}
	defer connection.Close()
	defer context.AfterFunc(ctx, func() { _ = connection.SetDeadline(time.Unix(1, 0)) })() // a broken one ends by itself
	heard := &listening{Conn: connection}
	err = q.put(ctx, heard)
	if heard.something {
		return Alive
	}
	return answerOf(err)
}

// put puts the question, and waits until something is said.
func (q Question) put(ctx context.Context, to *listening) error {
	if q.TLS != nil {
		return tls.Client(to, q.TLS).HandshakeContext(ctx)
	}
	if _, err := io.WriteString(to, q.Text); err != nil {
		return err
	}
	_, err := to.Read(make([]byte, answerSize))
	return err
}

// Windows has numbers of its own for a connection that was aborted, reset or refused.
const (
	errWindowsAborted syscall.Errno = 10053
	errWindowsReset   syscall.Errno = 10054
	errWindowsRefused syscall.Errno = 10061
)

// answerOf tells a host that says that nobody is there from one that says nothing, and from word that it cannot be reached.
func answerOf(err error) Answer {
	if errors.Is(err, io.EOF) {
		return Refused
	}
	if number, ok := errors.AsType[syscall.Errno](err); ok {
		switch number {
		case syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.EPIPE, errWindowsAborted, errWindowsReset, errWindowsRefused:
			return Refused
		default:
		}
	}
	return Nothing
}

// listening remembers whether anything was said.
type listening struct {
	net.Conn
	something bool
}

func (l *listening) Read(p []byte) (int, error) {
	n, err := l.Conn.Read(p)
	l.something = l.something || n > 0
	return n, err
}
