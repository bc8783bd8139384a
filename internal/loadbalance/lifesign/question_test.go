package lifesign_test

import (
	"context"
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/pandakit/panda/internal/loadbalance/lifesign"
)

// serves returns the address of a server that lets talk have each connection, and closes it then.
func serves(t *testing.T, talk func(net.Conn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			talk(connection)
			connection.Close()
		}
	}()
	t.Cleanup(func() { listener.Close(); <-ended })
	return listener.Addr().String()
}

// ends waits until the other side hangs up.
func ends(c net.Conn) { _, _ = io.Copy(io.Discard, c) }

func TestWhateverAServerSaysIsASignOfLife(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusOK, http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusNotImplemented, http.StatusServiceUnavailable} {
		seen := make(chan *http.Request, 1)
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			seen <- r
			w.WriteHeader(status)
		}))
		server.Config.DisableGeneralOptionsHandler = true
		server.Start()
		if got := lifesign.Options(server.Listener.Addr().String()).Ask(t.Context()); got != lifesign.Alive {
			t.Errorf("status %d is taken for %v", status, got)
		}
		server.Close()
		if r := <-seen; r.Method != http.MethodOptions || r.RequestURI != "*" || !r.Close {
			t.Errorf("asked %s %s, to be closed %t", r.Method, r.RequestURI, r.Close)
		}
	}
	plain := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { t.Errorf("%s %s reached a handler", r.Method, r.URL) }))
	defer plain.Close()
	foreign := serves(t, func(c net.Conn) { io.WriteString(c, "220 at your service\r\n"); ends(c) })
	for _, address := range []string{plain.Listener.Addr().String(), foreign} {
		if got := lifesign.Options(address).Ask(t.Context()); got != lifesign.Alive {
			t.Errorf("taken for %v", got)
		}
	}
}

// Whether its certificate would do does not matter for that.
func TestAServerWithTLSLives(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	question := lifesign.Options(server.Listener.Addr().String())
	for name, config := range map[string]*tls.Config{
		"trusted":     {ServerName: "127.0.0.1", MinVersion: tls.VersionTLS12, RootCAs: server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs},
		"not trusted": {ServerName: "127.0.0.1", MinVersion: tls.VersionTLS12},
	} {
		question.TLS = config
		if got := question.Ask(t.Context()); got != lifesign.Alive {
			t.Errorf("%s: taken for %v", name, got)
		}
	}
	question.TLS = &tls.Config{ServerName: "127.0.0.1", MinVersion: tls.VersionTLS12}
	question.Address = serves(t, ends)
	if got := briefly(t, question); got != lifesign.Nothing {
		t.Errorf("a kernel that takes connections is taken for %v", got)
	}
}

// briefly asks for a short time.
func briefly(t *testing.T, q lifesign.Question) lifesign.Answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	return q.Ask(ctx)
}

func TestSayingNothingIsNoSignOfLife(t *testing.T) {
	t.Parallel()
	mute, err := net.Listen("tcp", "127.0.0.1:0") // the kernel takes connections, and nobody else does
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	if got := briefly(t, lifesign.Options(mute.Addr().String())); got != lifesign.Nothing {
		t.Errorf("taken for %v", got)
	}
	if got := briefly(t, lifesign.Options("no.such.host.invalid:80")); got != lifesign.Nothing {
		t.Errorf("a name that nobody has is taken for %v", got)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	hangsUp := serves(t, func(net.Conn) {})
	resets := serves(t, func(c net.Conn) {
		_, _ = c.Read(make([]byte, 1))
		_ = c.(*net.TCPConn).SetLinger(0)
	})
	for _, address := range []string{closed.Addr().String(), hangsUp, resets} {
		if got := lifesign.Options(address).Ask(t.Context()); got != lifesign.Refused {
			t.Errorf("taken for %v", got)
		}
	}
}

// An answer is read no further than needed.
func TestALongAnswerIsCutOff(t *testing.T) {
	t.Parallel()
	written := make(chan error, 1)
	address := serves(t, func(c net.Conn) {
		var err error
		for n := 0; n < 1000 && err == nil; n++ {
			_, err = io.WriteString(c, strings.Repeat("on and on ", 6000))
		}
		written <- err
	})
	if got := lifesign.Options(address).Ask(t.Context()); got != lifesign.Alive {
		t.Errorf("taken for %v", got)
	}
	if err := <-written; err == nil {
		t.Error("all of 60 MB was taken")
	}
}
