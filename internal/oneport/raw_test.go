package oneport_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/pandakit/panda/internal/oneport"
)

// rawClient speaks HTTP/2 frame by frame.
type rawClient struct {
	t   *testing.T
	c   net.Conn
	fr  *http2.Framer
	dec *hpack.Decoder
}

func dialRaw(t *testing.T, addr string) *rawClient {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return &rawClient{t: t, c: c, fr: http2.NewFramer(c, c), dec: hpack.NewDecoder(4096, nil)}
}

func (r *rawClient) send(parts ...[]byte) {
	r.t.Helper()
	if _, err := r.c.Write(bytes.Join(parts, nil)); err != nil {
		r.t.Fatal(err)
	}
}

// next returns the next frame that keep accepts, acknowledging settings on the way.
func (r *rawClient) next(keep func(http2.Frame) bool) http2.Frame {
	r.t.Helper()
	for {
		f, err := r.fr.ReadFrame()
		if err != nil {
			r.t.Fatalf("read a frame: %v", err)
		}
		if s, ok := f.(*http2.SettingsFrame); ok && !s.IsAck() {
			if err := r.fr.WriteSettingsAck(); err != nil {
				r.t.Fatal(err)
			}
		}
		if keep(f) {
			return f
		}
	}
}

// status reads up to the response's headers and returns its status and content type.
func (r *rawClient) status() string {
	r.t.Helper()
	f := r.next(func(f http2.Frame) bool {
		if g, ok := f.(*http2.GoAwayFrame); ok {
			r.t.Fatalf("the server goes away: %v", g)
		}
		return f.Header().Type == http2.FrameHeaders
	})
	headers, _ := f.(*http2.HeadersFrame)
	fields, err := r.dec.DecodeFull(headers.HeaderBlockFragment())
	if err != nil {
		r.t.Fatal(err)
	}
	var status, contentType string
	for _, field := range fields {
		switch field.Name {
		case ":status":
			status = field.Value
		case "content-type":
			contentType = field.Value
		}
	}
	return status + " " + contentType
}

// ping checks that the server still takes the connection for a sound one.
func (r *rawClient) ping() {
	r.t.Helper()
	data := [8]byte{1, 2, 3}
	if err := r.fr.WritePing(false, data); err != nil {
		r.t.Fatal(err)
	}
	r.next(func(f http2.Frame) bool {
		if g, ok := f.(*http2.GoAwayFrame); ok {
			r.t.Fatalf("the server goes away: %v", g)
		}
		p, ok := f.(*http2.PingFrame)
		return ok && p.IsAck() && p.Data == data
	})
}

// frames returns what write writes.
func frames(write func(*http2.Framer)) []byte {
	var b bytes.Buffer
	fr := http2.NewFramer(&b, nil)
	fr.AllowIllegalWrites = true
	write(fr)
	return b.Bytes()
}

func settings(s ...http2.Setting) []byte {
	return frames(func(fr *http2.Framer) { _ = fr.WriteSettings(s...) })
}

// block encodes header fields.
func block(fields ...string) []byte {
	var b bytes.Buffer
	e := hpack.NewEncoder(&b)
	for i := 0; i < len(fields); i += 2 {
		_ = e.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	return b.Bytes()
}

func getBlock(path string, more ...string) []byte {
	return block(append([]string{":method", "GET", ":scheme", "http", ":authority", "x", ":path", path}, more...)...)
}

func grpcBlock(contentType string) []byte {
	return block(":method", "POST", ":scheme", "http", ":path", "/test.Echo/Unary", ":authority", "x", "content-type", contentType, "te", "trailers")
}

func headers(b []byte, end bool) []byte {
	return frames(func(fr *http2.Framer) {
		_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: b, EndStream: end, EndHeaders: true})
	})
}

func getRequest() []byte { return headers(getBlock("/proto"), true) }

// grpcRequest is an empty message to Unary.
func grpcRequest() []byte {
	data := frames(func(fr *http2.Framer) { _ = fr.WriteData(1, true, make([]byte, 5)) })
	return slices.Concat(headers(grpcBlock("application/grpc"), false), data)
}

var greeting = []byte(http2.ClientPreface)

const (
	fromHTTP = "200 text/plain; charset=utf-8"
	fromGRPC = "200 application/grpc"
)

func TestFirstFlight(t *testing.T) {
	b := start(t, oneport.Options{})
	update := frames(func(fr *http2.Framer) { _ = fr.WriteWindowUpdate(0, 1<<20) })
	priority := frames(func(fr *http2.Framer) {
		_ = fr.WritePriority(3, http2.PriorityParam{StreamDep: 0, Weight: 100})
	})
	extension := frames(func(fr *http2.Framer) { _ = fr.WriteRawFrame(0xbe, 0, 0, []byte("grease")) })
	ping := frames(func(fr *http2.Framer) { _ = fr.WritePing(false, [8]byte{9}) })
	padded := frames(func(fr *http2.Framer) {
		_ = fr.WriteHeaders(http2.HeadersFrameParam{
			StreamID: 1, BlockFragment: getBlock("/proto"), EndStream: true, EndHeaders: true, PadLength: 77,
			Priority: http2.PriorityParam{StreamDep: 0, Weight: 5, Exclusive: true},
		})
	})
	continued := func(b []byte) []byte {
		return frames(func(fr *http2.Framer) {
			_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: b[:4], EndStream: true})
			_ = fr.WriteContinuation(1, false, b[4:8])
			_ = fr.WriteContinuation(1, true, b[8:])
		})
	}
	for name, c := range map[string]struct {
		flight []byte
		want   string
	}{
		"http":                  {slices.Concat(greeting, settings(), getRequest()), fromHTTP},
		"grpc":                  {slices.Concat(greeting, settings(), grpcRequest()), fromGRPC},
		"with a codec's name":   {slices.Concat(greeting, settings(), headers(grpcBlock("application/grpc+proto"), true)), fromGRPC},
		"grpc-web is http":      {slices.Concat(greeting, settings(), headers(grpcBlock("application/grpc-web"), true)), "404 text/plain; charset=utf-8"},
		"all kinds of frames":   {slices.Concat(greeting, settings(), update, priority, extension, ping, getRequest()), fromHTTP},
		"padding and priority":  {slices.Concat(greeting, settings(), padded), fromHTTP},
		"http in continuations": {slices.Concat(greeting, settings(), continued(getBlock("/proto"))), fromHTTP},
		"grpc in continuations": {slices.Concat(greeting, settings(), continued(grpcBlock("application/grpc"))), fromGRPC},
		"two settings":          {slices.Concat(greeting, settings(), settings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20}), grpcRequest()), fromGRPC},
	} {
		t.Run(name+"/at once", func(t *testing.T) {
			r := dialRaw(t, b.addr)
			r.send(c.flight)
			if got := r.status(); !strings.HasPrefix(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
			r.ping()
		})
		t.Run(name+"/byte by byte", func(t *testing.T) {
			r := dialRaw(t, b.addr)
			for i := range c.flight {
				r.send(c.flight[i : i+1])
			}
			if got := r.status(); !strings.HasPrefix(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
			r.ping()
		})
	}
}

// TestClientThatWaitsForSettings sends its request only after the server's settings, in all orders of
// acknowledgement and request.
func TestClientThatWaitsForSettings(t *testing.T) {
	b := start(t, oneport.Options{})
	ack := frames(func(fr *http2.Framer) { _ = fr.WriteSettingsAck() })
	for name, c := range map[string]struct {
		before, after []byte
		want          string
	}{
		"http, ack first":      {settings(), slices.Concat(ack, getRequest()), fromHTTP},
		"http, ack last":       {settings(), slices.Concat(getRequest(), ack), fromHTTP},
		"http, settings later": {nil, slices.Concat(settings(), ack, getRequest()), fromHTTP},
		"grpc, ack first":      {settings(), slices.Concat(ack, grpcRequest()), fromGRPC},
		"grpc, ack last":       {settings(), slices.Concat(grpcRequest(), ack), fromGRPC},
	} {
		t.Run(name, func(t *testing.T) {
			r := dialRaw(t, b.addr)
			r.send(greeting, c.before)
			f, err := r.fr.ReadFrame()
			if err != nil {
				t.Fatal(err)
			}
			if s, ok := f.(*http2.SettingsFrame); !ok || s.IsAck() {
				t.Fatalf("first frame: %v", f)
			}
			r.send(c.after)
			if got := r.status(); !strings.HasPrefix(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
			r.ping()
		})
	}
}

// TestSilentClient completes the greeting and waits for longer than the port's time limit, as an idle
// gRPC channel does.
func TestSilentClient(t *testing.T) {
	for name, c := range map[string]struct {
		request []byte
		want    string
	}{"http": {getRequest(), fromHTTP}, "grpc": {grpcRequest(), fromGRPC}} {
		t.Run(name, func(t *testing.T) {
			b := start(t, oneport.Options{SniffTimeout: 200 * time.Millisecond})
			r := dialRaw(t, b.addr)
			r.send(greeting, settings())
			isAck := func(f http2.Frame) bool {
				s, ok := f.(*http2.SettingsFrame)
				return ok && s.IsAck()
			}
			r.next(isAck) // comes when the time limit passes
			r.ping()      // nobody but the port can answer it
			r.ping()
			r.send(c.request)
			acks := 0
			f := r.next(func(f http2.Frame) bool {
				if isAck(f) {
					acks++
				}
				return f.Header().Type == http2.FrameHeaders
			})
			if acks != 0 {
				t.Errorf("the client's settings were acknowledged again")
			}
			h, _ := f.(*http2.HeadersFrame)
			fields, err := r.dec.DecodeFull(h.HeaderBlockFragment())
			if err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(fields, func(f hpack.HeaderField) bool {
				return f.Name == "content-type" && strings.HasSuffix(c.want, " "+f.Value)
			}) {
				t.Errorf("got %v, want %s", fields, c.want)
			}
			r.ping()
		})
	}
}

// readAll reads until the server closes, which it must do in time.
func (r *rawClient) readAll() string {
	r.t.Helper()
	all, err := io.ReadAll(r.c)
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		r.t.Fatalf("the connection was not closed; got %q", all)
	}
	return string(all)
}

func TestNonsense(t *testing.T) {
	t.Parallel()
	b := start(t, oneport.Options{SniffTimeout: 500 * time.Millisecond})
	hello := append([]byte{0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3}, make([]byte, 300)...)
	for name, c := range map[string]struct {
		send []byte
		want string // contained in the answer
	}{
		"garbage":                 {[]byte("\x00\xff\xfenonsense\r\n\r\n"), "400 Bad Request"},
		"not quite the preface":   {[]byte("PRI * HTTP/2.0\r\n\r\nSX\r\n\r\n"), "HTTP/1.1 "},
		"no frames":               {slices.Concat(greeting, []byte(strings.Repeat("nonsense", 10))), "\x07"}, // GOAWAY
		"data before settings":    {slices.Concat(greeting, frames(func(fr *http2.Framer) { _ = fr.WriteData(1, true, nil) })), "\x07"},
		"broken header block":     {slices.Concat(greeting, settings(), headers([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, true)), "\x07"},
		"silence":                 {nil, ""},
		"half a preface":          {greeting[:10], ""},
		"settings never complete": {slices.Concat(greeting, settings()[:5]), ""},
		"TLS":                     {hello, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // net/http takes a second to end a connection softly
			r := dialRaw(t, b.addr)
			r.send(c.send)
			if got := r.readAll(); !strings.Contains(got, c.want) {
				t.Errorf("got %q, want %q in it", got, c.want)
			}
		})
	}
}

func TestWhyIsLogged(t *testing.T) {
	b := start(t, oneport.Options{})
	dialRaw(t, b.addr).send([]byte{0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3})
	b.log.wait(t, "a TLS client called a plain text port")
	r := dialRaw(t, b.addr)
	r.send(greeting[:10])
	_ = r.c.Close()
	b.log.wait(t, "it ended early")
}

// TestHugeHeaders sends more before the first request's end than the port is willing to read.
func TestHugeHeaders(t *testing.T) {
	b := start(t, oneport.Options{})
	fields := getBlock("/proto", "x-huge", strings.Repeat("ÿ", 100<<10))
	r := dialRaw(t, b.addr)
	r.send(greeting, settings(), frames(func(fr *http2.Framer) {
		first, rest := fields[:16000], fields[16000:]
		_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: first, EndStream: true})
		for len(rest) > 0 {
			n := min(len(rest), 16000)
			_ = fr.WriteContinuation(1, n == len(rest), rest[:n])
			rest = rest[n:]
		}
	}))
	if got := r.status(); !strings.HasPrefix(got, fromHTTP) {
		t.Errorf("got %q", got)
	}
}

func TestHalfClosedClient(t *testing.T) {
	b := start(t, oneport.Options{})
	for name, c := range map[string]struct {
		send []byte
		want string
	}{
		"http/1": {[]byte("GET /proto HTTP/1.0\r\n\r\n"), "HTTP/1.0 false"},
		"prober": {nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := dialRaw(t, b.addr)
			r.send(c.send)
			tcp, _ := r.c.(*net.TCPConn)
			if err := tcp.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			got := r.readAll()
			if !strings.Contains(got, c.want) {
				t.Errorf("got %q, want %q in it", got, c.want)
			}
		})
	}
}
