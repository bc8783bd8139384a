package check

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/pandakit/panda/internal/consulwire"
)

// Result is what a check found.
type Result struct {
	Status string // one of consulwire's
	Output string // for people
}

// probe asks the target once. ctx bounds it.
type probe func(ctx context.Context) Result

func (d *Definition) probe() probe {
	switch d.runs() {
	case KindHTTP:
		return d.probeHTTP
	case KindTCP:
		return d.probeTCP
	case KindUDP:
		return d.probeUDP
	case KindGRPC:
		return d.probeGRPC
	case KindScript:
		return d.probeScript
	case KindH2PING:
		return d.probeH2PING
	}
	return nil
}

// critical bounds the error's text, some of which may be the target's.
func critical(err error) Result { return criticalf("%s", err) }

func criticalf(format string, args ...any) Result {
	return Result{consulwire.Critical, clip(fmt.Sprintf(format, args...), MaxOutput)}
}

func (d *Definition) tlsConfig() *tls.Config {
	return &tls.Config{
		ServerName:         d.TLSServerName,
		InsecureSkipVerify: d.TLSSkipVerify, //nolint:gosec // the registration asks for it
		MinVersion:         tls.VersionTLS12,
	}
}

func (d *Definition) probeHTTP(ctx context.Context) Result {
	method := cmp.Or(d.Method, http.MethodGet)
	request, err := http.NewRequestWithContext(ctx, method, d.HTTP, strings.NewReader(d.Body))
	if err != nil {
		return critical(err)
	}
	request.Header = d.Header.Clone()
	request.Host = d.Header.Get("Host")
	defaultHeader(request, "User-Agent", "Consul Health Check")
	defaultHeader(request, "Accept", "text/plain, text/*, */*")

	// A transport per probe: nothing is kept between two probes, so a new connection shows whether the
	// target still takes one, and no connection outlives the check.
	transport := &http.Transport{TLSClientConfig: d.tlsConfig(), DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, CheckRedirect: d.redirect}
	response, err := client.Do(request)
	if err != nil {
		return critical(err)
	}
	defer func() { _ = response.Body.Close() }()
	body := &tail{most: d.outputMax()}
	_, _ = io.Copy(body, response.Body) // what fails while the body is read does not change the answer's status
	output := fmt.Sprintf("HTTP %s %s: %s Output: %s", method, d.HTTP, response.Status, body)
	return Result{httpStatus(response.StatusCode), output}
}

func defaultHeader(r *http.Request, key, value string) {
	if r.Header == nil {
		r.Header = make(http.Header)
	}
	if r.Header.Get(key) == "" {
		r.Header.Set(key, value)
	}
}

// mostRedirects is how many redirects a probe follows.
const mostRedirects = 10

func (d *Definition) redirect(_ *http.Request, via []*http.Request) error {
	if d.DisableRedirects {
		return http.ErrUseLastResponse
	}
	if len(via) >= mostRedirects {
		return fmt.Errorf("stopped after %d redirects", mostRedirects)
	}
	return nil
}

func httpStatus(code int) string {
	switch {
	case code >= 200 && code <= 299:
		return consulwire.Passing
	case code == http.StatusTooManyRequests:
		return consulwire.Warning
	}
	return consulwire.Critical
}

func (d *Definition) probeTCP(ctx context.Context) Result {
	conn, err := d.dial(ctx)
	if err != nil {
		return critical(err)
	}
	_ = conn.Close() // nothing was written
	return Result{consulwire.Passing, fmt.Sprintf("TCP connect %s: Success", d.TCP)}
}

func (d *Definition) dial(ctx context.Context) (net.Conn, error) {
	if d.TCPUseTLS {
		return (&tls.Dialer{Config: d.tlsConfig()}).DialContext(ctx, "tcp", d.TCP)
	}
	return new(net.Dialer).DialContext(ctx, "tcp", d.TCP)
}

// probeUDP sends a datagram. A target that says nothing takes it, for all that can be known; one whose machine says that
// nobody listens refuses it.
func (d *Definition) probeUDP(ctx context.Context) Result {
	conn, err := new(net.Dialer).DialContext(ctx, "udp", d.UDP)
	if err != nil {
		return critical(err)
	}
	defer func() { _ = conn.Close() }() // the answer is in hand
	silence := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })
	defer silence()
	if _, err = conn.Write([]byte("hello")); err == nil {
		_, err = conn.Read(make([]byte, 1))
	}
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		return critical(err)
	}
	return Result{consulwire.Passing, fmt.Sprintf("UDP connect %s: Success", d.UDP)}
}

func (d *Definition) probeH2PING(ctx context.Context) Result {
	conn, err := d.dialH2(ctx)
	if err != nil {
		return criticalf("Failed to dial to %s: %s", d.H2PING, err)
	}
	defer func() { _ = conn.Close() }() // the answer is in hand
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	client, err := (&http2.Transport{AllowHTTP: !d.H2PINGUseTLS}).NewClientConn(conn) //nolint:staticcheck // that of net/http has no ping
	if err != nil {
		return criticalf("Failed to create client connection %s", err)
	}
	defer func() { _ = client.Close() }()
	if err := client.Ping(ctx); err != nil {
		return criticalf("HTTP2 ping failed: %s", err)
	}
	return Result{consulwire.Passing, "HTTP2 ping was successful"}
}

func (d *Definition) dialH2(ctx context.Context) (net.Conn, error) {
	if !d.H2PINGUseTLS {
		return new(net.Dialer).DialContext(ctx, "tcp", d.H2PING)
	}
	config := d.tlsConfig()
	config.NextProtos = []string{http2.NextProtoTLS}
	return (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", d.H2PING)
}

func (d *Definition) probeGRPC(ctx context.Context) Result {
	address, service, _ := strings.Cut(d.GRPC, "/")
	security := insecure.NewCredentials()
	if d.GRPCUseTLS {
		security = credentials.NewTLS(d.tlsConfig())
	}
	conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(security), grpc.WithNoProxy(), grpc.WithDisableServiceConfig())
	if err != nil {
		return critical(err)
	}
	defer func() { _ = conn.Close() }() // the answer is in hand
	answer, err := healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{Service: service})
	if err != nil {
		return critical(err)
	}
	if answer.GetStatus() != healthpb.HealthCheckResponse_SERVING {
		return critical(fmt.Errorf("gRPC %s serving status: %s", d.GRPC, answer.GetStatus()))
	}
	return Result{consulwire.Passing, fmt.Sprintf("gRPC check %s: success", d.GRPC)}
}
