package oneport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"time"

	"google.golang.org/grpc/credentials"
)

// withProtocols returns c with the protocols that the port tells apart added to those it offers.
func withProtocols(c *tls.Config) *tls.Config {
	c = c.Clone()
	for _, p := range []string{"h2", "http/1.1"} {
		if !slices.Contains(c.NextProtos, p) {
			c.NextProtos = append(slices.Clip(c.NextProtos), p)
		}
	}
	return c
}

// handshake completes TLS, if the port has it, within the time limit that is set.
func (l *look) handshake() error {
	c, ok := l.conn.(*tls.Conn)
	if !ok {
		return nil
	}
	if err := c.SetWriteDeadline(time.Now().Add(l.port.opts.SniffTimeout)); err != nil {
		return err
	}
	if err := c.Handshake(); err != nil { //nolint:noctx // the deadlines bound it, and Close ends it through them
		if h, ok := errors.AsType[tls.RecordHeaderError](err); ok && h.Conn != nil && looksLikeHTTP(h.RecordHeader) {
			_, _ = io.WriteString(h.Conn, "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n")
		}
		return fmt.Errorf("TLS handshake: %w", err)
	}
	return c.SetWriteDeadline(time.Time{})
}

// looksLikeHTTP reports whether the first bytes of what should be TLS are those of a request.
func looksLikeHTTP(b [5]byte) bool {
	return slices.Contains([]string{"GET /", "HEAD ", "POST ", "PUT /", "OPTIO", "CONNE", "DELET", "PATCH"}, string(b[:]))
}

// tlsState returns the state of the TLS connection at or below c.
func tlsState(c net.Conn) (tls.ConnectionState, bool) {
	for {
		if t, ok := c.(*tls.Conn); ok {
			return t.ConnectionState(), true
		}
		below, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			return tls.ConnectionState{}, false
		}
		c = below.NetConn()
	}
}

type tlsStateKey struct{}

// ConnContext keeps what [WithTLS] needs; it is for http.Server.ConnContext.
func ConnContext(ctx context.Context, c net.Conn) context.Context {
	if state, ok := tlsState(c); ok {
		return context.WithValue(ctx, tlsStateKey{}, &state)
	}
	return ctx
}

// WithTLS sets Request.TLS for h. net/http cannot know it where the port has decrypted the connection.
// The server must have [ConnContext]; plain text requests pass unchanged.
func WithTLS(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if state, ok := r.Context().Value(tlsStateKey{}).(*tls.ConnectionState); ok && r.TLS == nil {
			r.TLS = state
		}
		h.ServeHTTP(w, r)
	})
}

// Credentials returns credentials for a grpc.Server behind a [Port]. They shake no hands: they only
// tell handlers (peer.FromContext) what TLS the port has done, or that there was none.
func Credentials() credentials.TransportCredentials { return portCredentials{} }

type portCredentials struct{}

// plainInfo says that a connection has no security.
type plainInfo struct{ credentials.CommonAuthInfo }

func (plainInfo) AuthType() string { return "insecure" }

func (portCredentials) ServerHandshake(c net.Conn) (net.Conn, credentials.AuthInfo, error) {
	state, ok := tlsState(c)
	if !ok {
		return c, plainInfo{credentials.CommonAuthInfo{SecurityLevel: credentials.NoSecurity}}, nil
	}
	return c, credentials.TLSInfo{
		State:          state,
		CommonAuthInfo: credentials.CommonAuthInfo{SecurityLevel: credentials.PrivacyAndIntegrity},
	}, nil
}

var errServerOnly = errors.New("the credentials of a port are for servers only")

func (portCredentials) ClientHandshake(context.Context, string, net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return nil, nil, errServerOnly
}

func (portCredentials) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{SecurityProtocol: "tls"}
}

func (p portCredentials) Clone() credentials.TransportCredentials { return p }

func (portCredentials) OverrideServerName(string) error { return errServerOnly }
