package netrpc

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/rpc"
	"time"
)

// Greeting asks for net/rpc on a new connection. A server answers it before any call is made, and counts it as none.
const Greeting = "CONNECT " + Path + " HTTP/1.0\n\n"

// DialHTTP connects to the net/rpc server at address, which is host:port. ctx bounds the connecting
// only; the client lives until its Close.
func DialHTTP(ctx context.Context, address string) (*rpc.Client, error) {
	c, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("dial net/rpc at %s: %w", address, err)
	}
	if err := connect(ctx, c); err != nil {
		_ = c.Close() // the error that matters is there already
		return nil, fmt.Errorf("dial net/rpc at %s: %w", address, err)
	}
	return rpc.NewClient(c), nil
}

// connect makes c a net/rpc connection before ctx is done.
func connect(ctx context.Context, c net.Conn) error {
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	err := handshake(c)
	if !stop() {
		return context.Cause(ctx)
	}
	return err
}

func handshake(c net.Conn) error {
	if _, err := io.WriteString(c, Greeting); err != nil {
		return fmt.Errorf("send CONNECT: %w", err)
	}
	// A server says nothing of its own accord after the answer, so nothing is left in the reader.
	r, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: http.MethodConnect})
	if err != nil {
		return fmt.Errorf("no net/rpc server there: read the answer to CONNECT: %w", err)
	}
	defer func() { _ = r.Body.Close() }() // it has none
	if r.Status != connected {
		return fmt.Errorf("no net/rpc server there: it answers %q to CONNECT %s", r.Status, Path)
	}
	return nil
}
