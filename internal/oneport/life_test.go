package oneport_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/pandakit/panda/internal/oneport"
)

// certificate returns a throwaway certificate for the loopback.
func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func TestTLS(t *testing.T) {
	config := &tls.Config{Certificates: []tls.Certificate{certificate(t)}, MinVersion: tls.VersionTLS12}
	b := start(t, oneport.Options{TLS: config})
	if len(config.NextProtos) != 0 {
		t.Errorf("the caller's config was changed: %v", config.NextProtos)
	}
	conn := b.dial(t, grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{InsecureSkipVerify: true})))
	if got := unary(t, conn, "security"); got != "tls" {
		t.Errorf("grpc: security %q", got)
	}
	if got := get(t, b.client, "https://"+b.addr+"/proto"); got != "HTTP/1.1 true" {
		t.Errorf("http/1: got %q", got)
	}
	if got := get(t, b.h2c, "https://"+b.addr+"/proto"); got != "HTTP/2.0 true" {
		t.Errorf("http/2: got %q", got)
	}
	r := dialRaw(t, b.addr)
	r.send([]byte("GET / HTTP/1.0\r\n\r\n"))
	if got := r.readAll(); !strings.HasPrefix(got, "HTTP/1.0 400 ") {
		t.Errorf("plain text: got %q", got)
	}
	b.log.wait(t, "TLS handshake")
}

func TestPlainTextHasNoSecurity(t *testing.T) {
	b := start(t, oneport.Options{})
	if got := unary(t, b.dial(t), "security"); got != "insecure" {
		t.Errorf("security %q", got)
	}
}

// TestCloseSaysGoodbye has an HTTP/2 client without a request learn that it may go elsewhere.
func TestCloseSaysGoodbye(t *testing.T) {
	b := start(t, oneport.Options{})
	r, silent := dialRaw(t, b.addr), dialRaw(t, b.addr)
	r.send(greeting, settings())
	r.ping()
	var closing sync.WaitGroup
	closing.Go(func() {
		if err := b.port.Close(); err != nil {
			t.Error(err)
		}
	})
	goAway(r)
	_ = r.c.Close()
	if got := silent.readAll(); got != "" {
		t.Errorf("a client that said nothing got %q", got)
	}
	closing.Wait()
	if _, err := net.Dial("tcp", b.addr); err == nil {
		t.Error("the port still accepts")
	}
	for _, l := range []net.Listener{b.port.GRPC(), b.port.HTTP()} {
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept after Close: %v", err)
		}
	}
}

func goAway(r *rawClient) {
	r.t.Helper()
	f := r.next(func(f http2.Frame) bool { return f.Header().Type == http2.FrameGoAway })
	if g, _ := f.(*http2.GoAwayFrame); g.LastStreamID != 0 || g.ErrCode != http2.ErrCodeNo {
		r.t.Errorf("got %v", g)
	}
}

// TestListenerClosed closes one server's listener while the port stays open.
func TestListenerClosed(t *testing.T) {
	b := start(t, oneport.Options{})
	if err := b.port.GRPC().Close(); err != nil {
		t.Fatal(err)
	}
	r := dialRaw(t, b.addr)
	r.send(greeting, settings(), grpcRequest())
	goAway(r)
	_ = r.c.Close()
	if got := get(t, b.client, "http://"+b.addr+"/proto"); got != "HTTP/1.1 false" {
		t.Errorf("http: got %q", got)
	}
	if err := b.port.HTTP().Close(); err != nil {
		t.Fatal(err)
	}
	r = dialRaw(t, b.addr)
	r.send([]byte("GET / HTTP/1.0\r\n\r\n"))
	if got := r.readAll(); got != "" {
		t.Errorf("http after Close: got %q", got)
	}
}

// TestOldestMakesRoom fills the port with clients that say nothing.
func TestOldestMakesRoom(t *testing.T) {
	b := start(t, oneport.Options{MaxPending: 2, SniffTimeout: time.Hour})
	idle := dialRaw(t, b.addr)
	idle.send(greeting, settings())
	for range 3 { // the third is read after the client's acknowledgement: it takes no room any more
		idle.ping()
	}
	first := dialRaw(t, b.addr)
	_, _ = dialRaw(t, b.addr), dialRaw(t, b.addr)
	if got := first.readAll(); got != "" {
		t.Errorf("got %q", got)
	}
	idle.ping()
	if got := unary(t, b.dial(t), "still served"); got != "still served" {
		t.Errorf("got %q", got)
	}
}

// brokenListener fails to accept a few times.
type brokenListener struct {
	net.Listener
	errs []error
}

func (l *brokenListener) Accept() (net.Conn, error) {
	if len(l.errs) > 0 {
		err := l.errs[0]
		l.errs = l.errs[1:]
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: err}
	}
	return l.Listener.Accept()
}

func TestOutOfFiles(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := startOn(t, &brokenListener{l, []error{syscall.EMFILE, syscall.ENFILE, syscall.ECONNABORTED}}, oneport.Options{})
	if got := unary(t, b.dial(t), "hello"); got != "hello" {
		t.Errorf("got %q", got)
	}
	b.log.wait(t, "too many open files")
}

func TestListenerBeyondUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := oneport.New(&brokenListener{l, []error{syscall.EBADF}}, oneport.Options{})
	if err := p.Serve(); !errors.Is(err, syscall.EBADF) {
		t.Errorf("Serve: %v", err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if err := p.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

// TestKeepsTheSocket has both servers see what the inner connection can do.
func TestKeepsTheSocket(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := oneport.New(l, oneport.Options{})
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := p.Serve(); err != nil {
			t.Error(err)
		}
	})
	defer func() {
		_ = p.Close()
		serving.Wait()
	}()
	for _, c := range []struct {
		first []byte
		from  net.Listener
	}{{[]byte("GET /"), p.HTTP()}, {slices.Concat(greeting, settings(), grpcRequest()), p.GRPC()}} {
		dialRaw(t, p.Addr().String()).send(c.first)
		got, err := c.from.Accept()
		if err != nil {
			t.Fatal(err)
		}
		raw, ok := got.(syscall.Conn)
		if !ok {
			t.Fatalf("%T has no SyscallConn", got)
		}
		if _, err := raw.SyscallConn(); err != nil {
			t.Error(err)
		}
		if _, ok := got.(interface{ CloseWrite() error }); !ok {
			t.Errorf("%T has no CloseWrite", got)
		}
		read := make([]byte, len(c.first))
		if n, err := got.Read(read); err != nil || !bytes.Equal(read[:n], c.first) {
			t.Errorf("replay: got %q, %v", read[:n], err)
		}
		_ = got.Close()
	}
}

// TestCloseUnderLoad closes the port while clients come and go: every call ends, one way or another.
func TestCloseUnderLoad(t *testing.T) {
	b := start(t, oneport.Options{})
	var group sync.WaitGroup
	var served atomic.Int64
	enough := make(chan struct{})
	for range 8 {
		group.Go(func() {
			for {
				conn := b.dial(t)
				err := conn.Invoke(t.Context(), "/test.Echo/Unary", wrapperspb.String("x"), new(wrapperspb.StringValue))
				_ = conn.Close()
				if err != nil {
					return
				}
				if served.Add(1) == 200 {
					close(enough)
				}
			}
		})
	}
	<-enough
	if err := b.port.Close(); err != nil {
		t.Error(err)
	}
	group.Wait()
}

// TestOtherClients runs clients that others wrote, where they are installed.
func TestOtherClients(t *testing.T) {
	b := start(t, oneport.Options{})
	url := "http://" + b.addr
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"curl", "-sS", "--http2-prior-knowledge", url + "/proto"}, "HTTP/2.0 false"},
		{[]string{"curl", "-sS", "--http2", url + "/proto"}, "HTTP/1.1 false"},
		{[]string{"curl", "-sS", "--http2-prior-knowledge", "-d", strings.Repeat("x", 100_000), url + "/echo"}, strings.Repeat("x", 100_000)},
		{[]string{"nghttp", "-m", "5", url + "/proto"}, strings.Repeat("HTTP/2.0 false", 5)},
		{[]string{"h2load", "-n", "2000", "-c", "4", "-m", "100", url + "/proto"}, "2000 succeeded, 0 failed"},
	} {
		t.Run(fmt.Sprint(c.args[0], " ", c.args[1:3]), func(t *testing.T) {
			if _, err := exec.LookPath(c.args[0]); err != nil {
				t.Skip(err)
			}
			out, err := exec.CommandContext(t.Context(), c.args[0], c.args[1:]...).CombinedOutput()
			if err != nil || !strings.Contains(string(out), c.want) {
				t.Errorf("%v: %.300s", err, out)
			}
		})
	}
}
