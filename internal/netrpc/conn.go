package netrpc

import (
	"bufio"
	"bytes"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"net"
	"net/rpc"
	"os"
	"reflect"
	"runtime/debug"
	"sync"
	"time"
)

const (
	// requestTime bounds the reading of a request from its first byte, and the writing of a response.
	requestTime = 2 * time.Minute
	// lastLook is how long a drained connection is read for a request that has arrived already.
	lastLook = 5 * time.Millisecond
	// lingerTime is how long a drained connection stays half open, so that the responses in it are read.
	lingerTime = 100 * time.Millisecond
)

// errDrained ends a connection because the server drains.
var errDrained = errors.New("the server drains")

// errTooLong ends a connection whose client sends more than it may.
var errTooLong = errors.New("rpc: the request is too long")

// conn is one client's connection.
type conn struct {
	server  *Server
	net     net.Conn
	in      boundedReader
	decoder *gob.Decoder
	slots   chan struct{} // one for each call at work
	calls   sync.WaitGroup

	mu       sync.Mutex // guards the following, and read deadlines until a call of linger
	working  int        // calls at work
	reading  bool       // a request has begun to arrive
	draining bool       // it ends as soon as it is idle
	stopped  bool       // it is idle and drains: one last look, and it ends
	ended    bool       // nothing is read any more

	writing sync.Mutex // guards the following
	out     bytes.Buffer
	encoder *gob.Encoder // to out
}

func newConn(s *Server, c net.Conn, r *bufio.Reader) *conn {
	n := &conn{server: s, net: c, in: boundedReader{r: r}, slots: make(chan struct{}, s.opts.MaxConcurrent)}
	n.decoder = gob.NewDecoder(&n.in)
	n.encoder = gob.NewEncoder(&n.out)
	return n
}

// boundedReader reads one request at a time. It has ReadByte so that gob reads no further than asked.
type boundedReader struct {
	r    *bufio.Reader
	left int64
}

func (b *boundedReader) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooLong
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

func (b *boundedReader) ReadByte() (byte, error) {
	if b.left <= 0 {
		return 0, errTooLong
	}
	b.left--
	return b.r.ReadByte()
}

// close ends the connection; it may be called several times, by any goroutine.
func (c *conn) close() { _ = c.net.Close() } // there is nobody to tell

// serve answers requests until the client hangs up, sends what cannot be read, or the server drains.
func (c *conn) serve() {
	err := c.readAll()
	c.calls.Wait()
	switch {
	case errors.Is(err, errDrained):
		c.linger()
		return
	case errors.Is(err, errTooLong):
		c.linger()
	case errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed):
		return
	}
	c.server.opts.Logger.Debug("net/rpc connection ended", "remote", c.net.RemoteAddr(), "error", err)
}

func (c *conn) readAll() error {
	for {
		c.slots <- struct{}{}
		if err := c.await(); err != nil {
			return err
		}
		if err := c.request(); err != nil {
			return err
		}
	}
}

// await waits for the first byte of the next request.
func (c *conn) await() error {
	if c.isEnded() {
		return errDrained
	}
	_, err := c.in.r.Peek(1)
	if errors.Is(err, os.ErrDeadlineExceeded) { // only a drain sets one here
		if !c.lookAgain() {
			return errDrained
		}
		if _, err = c.in.r.Peek(1); errors.Is(err, os.ErrDeadlineExceeded) {
			return errDrained
		}
	}
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return errDrained
	}
	c.reading, c.stopped = true, false
	return c.net.SetReadDeadline(time.Now().Add(requestTime))
}

func (c *conn) isEnded() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended
}

// lookAgain allows one last look for a request that came before the server began to drain.
func (c *conn) lookAgain() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.ended && c.net.SetReadDeadline(time.Now().Add(lastLook)) == nil
}

// drain makes the connection end when it has nothing to do; now means that it must read no further.
func (c *conn) drain(now bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.draining = true
	if !now {
		c.stopIfIdle()
		return
	}
	c.ended = true
	if !c.reading {
		c.interrupt()
	}
}

// stopIfIdle stops reading if the connection drains and has nothing to do; c.mu is held.
func (c *conn) stopIfIdle() {
	if c.draining && !c.stopped && !c.reading && c.working == 0 {
		c.stopped = true
		c.interrupt()
	}
}

// interrupt ends a wait for a request; c.mu is held.
func (c *conn) interrupt() { _ = c.net.SetReadDeadline(time.Unix(1, 0)) } // a broken connection ends by itself

// linger closes the sending side first, so that unread requests do not make the system throw away
// responses that the client has not read yet.
func (c *conn) linger() {
	if half, ok := c.net.(interface{ CloseWrite() error }); !ok || half.CloseWrite() != nil {
		return
	}
	if c.net.SetReadDeadline(time.Now().Add(lingerTime)) == nil {
		_, _ = io.CopyN(io.Discard, c.net, c.server.opts.MaxRequestBytes)
	}
}

// call is one request at work.
type call struct {
	header rpc.Request
	method *method
	arg    reflect.Value
}

// request reads one request and starts its call. An error means that the connection is beyond use.
func (c *conn) request() (err error) {
	defer func() {
		if r := recover(); r != nil { // gob is not proof against everything
			err = fmt.Errorf("decode a request: %v", r)
		}
	}()
	c.in.left = c.server.opts.MaxRequestBytes
	var next call
	if err := c.decoder.Decode(&next.header); err != nil {
		return err
	}
	bad, err := c.body(&next)
	if err != nil {
		c.reject(&next, err)
		return err
	}
	err = c.begin() // a request that was read whole is answered all the same
	c.calls.Go(func() {
		defer c.end()
		if bad != nil {
			c.reject(&next, bad)
		} else {
			c.run(&next)
		}
	})
	return err
}

// body reads the argument. bad is the client's fault, and the next request can be read all the same;
// err means that it cannot.
func (c *conn) body(next *call) (bad, err error) {
	if next.method, bad = c.server.lookup(next.header.ServiceMethod); bad != nil {
		return bad, c.decoder.DecodeValue(reflect.Value{}) // skips it
	}
	next.arg = next.method.newArg()
	err = c.decoder.DecodeValue(next.arg)
	if err != nil && c.in.left > 0 && !isReadError(err) {
		return err, nil
	}
	return nil, err
}

// isReadError reports whether err came from below gob.
func isReadError(err error) bool {
	_, isNet := errors.AsType[net.Error](err)
	return isNet || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, errTooLong)
}

// begin counts a call; the connection may then fall silent without limit.
func (c *conn) begin() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reading = false
	c.working++
	if c.ended {
		return errDrained
	}
	return c.net.SetReadDeadline(time.Time{})
}

func (c *conn) end() {
	<-c.slots
	c.mu.Lock()
	defer c.mu.Unlock()
	c.working--
	c.stopIfIdle()
}

// reject answers a request that calls no method.
func (c *conn) reject(next *call, reason error) {
	name := UnknownMethod
	if next.method != nil {
		name = next.method.name
	}
	c.server.opts.Observe(name, 0, true)
	c.respond(&next.header, struct{}{}, reason.Error())
}

// run calls the method and sends what it returns, also when it ends its goroutine.
func (c *conn) run(next *call) {
	reply := next.method.newReply()
	start := time.Now()
	err := next.method.panicked()
	defer func() {
		c.server.opts.Observe(next.method.name, time.Since(start), err != nil)
		if err != nil {
			c.respond(&next.header, struct{}{}, err.Error())
			return
		}
		c.respond(&next.header, reply.Interface(), "")
	}()
	err = next.method.invoke(next.arg, reply, func(value any) {
		c.server.opts.Logger.Error("panic in a net/rpc method", "method", next.method.name,
			"panic", fmt.Sprint(value), "stack", string(debug.Stack()))
	})
}

// respond sends a response. A reply that gob cannot encode becomes an error of that call.
func (c *conn) respond(request *rpc.Request, reply any, text string) {
	c.writing.Lock()
	defer c.writing.Unlock()
	out, err := c.encode(rpc.Response{ServiceMethod: request.ServiceMethod, Seq: request.Seq, Error: text}, reply)
	if err == nil {
		err = c.write(out)
	}
	if err != nil {
		c.server.opts.Logger.Debug("net/rpc response", "remote", c.net.RemoteAddr(), "method", request.ServiceMethod, "error", err)
		c.close()
	}
}

func (c *conn) write(b []byte) error {
	if err := c.net.SetWriteDeadline(time.Now().Add(requestTime)); err != nil {
		return err
	}
	_, err := c.net.Write(b)
	return err
}

// largeBuffer is what an encoding buffer may hold on to between responses.
const largeBuffer = 64 << 10

// encode returns the bytes of a response. The body is encoded before the header, which must tell the
// client if that fails; what an encoder has said about types by then stays valid and is sent.
func (c *conn) encode(header rpc.Response, reply any) (out []byte, err error) {
	defer func() {
		if r := recover(); r != nil { // of a GobEncode method; the encoder cannot be used any more
			c.server.opts.Logger.Error("panic in encoding a net/rpc reply", "method", header.ServiceMethod, "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
			err = fmt.Errorf("encode the reply of %s: panic", header.ServiceMethod)
		}
	}()
	if c.out.Cap() > largeBuffer {
		c.out = bytes.Buffer{}
	}
	c.out.Reset()
	if err := c.encoder.Encode(reply); err != nil {
		header.Error = "rpc: encode the reply of " + header.ServiceMethod + ": " + err.Error()
		if err := c.encoder.Encode(struct{}{}); err != nil {
			return nil, err
		}
	}
	body := c.out.Len()
	if err := c.encoder.Encode(header); err != nil {
		return nil, err
	}
	all := c.out.Bytes()
	return append(append(make([]byte, 0, len(all)), all[body:]...), all[:body]...), nil
}
