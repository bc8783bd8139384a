package consul

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"
)

const (
	dialTimeout  = 3 * time.Second
	queryTimeout = 5 * time.Second // of a request that the agent answers at once
	answerLimit  = 64 << 20        // bytes of one answer; 10,000 instances are about 10 MB
)

var errAnswerTooLong = fmt.Errorf("the answer is longer than %d MiB", answerLimit>>20)

// dialFunc opens a connection; network is tcp or unix.
type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// agent is one configured address and what can be asked there.
type agent struct {
	endpoint
	requests
	transport *http.Transport
}

func newAgent(e endpoint, cfg *Config, tlsConfig *tls.Config, dial dialFunc) (*agent, error) {
	transport := newTransport(e, tlsConfig, dial)
	apiConfig := &api.Config{
		Address:    e.host,
		Scheme:     e.scheme,
		PathPrefix: e.prefix,
		HttpClient: &http.Client{
			Transport: &courier{base: transport, cfg: cfg},
			// A redirect could carry the token to another host.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		Token: "set by courier", // keeps the client from looking for a token by itself
	}
	if user, password, found := strings.Cut(cfg.BasicAuth, ":"); found {
		apiConfig.HttpAuth = &api.HttpBasicAuth{Username: user, Password: password}
	}
	client, err := api.NewClient(apiConfig)
	if err != nil {
		return nil, fmt.Errorf("set up the client of Consul at %s: %w", e.name, err)
	}
	return &agent{endpoint: e, requests: newRequests(client), transport: transport}, nil
}

// newTransport returns one that may hold any number of blocking queries, each on a connection of its
// own, and notices a peer that vanished without a word within 30 s. It uses no proxy of the environment.
func newTransport(e endpoint, tlsConfig *tls.Config, dial dialFunc) *http.Transport {
	if e.socket != "" {
		overTCP := dial
		dial = func(ctx context.Context, _, _ string) (net.Conn, error) { return overTCP(ctx, "unix", e.socket) }
	}
	return &http.Transport{
		DialContext:           dial,
		TLSClientConfig:       tlsConfig.Clone(),
		TLSHandshakeTimeout:   dialTimeout,
		ForceAttemptHTTP2:     true,
		MaxIdleConnsPerHost:   64,
		IdleConnTimeout:       time.Minute,
		ExpectContinueTimeout: time.Second,
	}
}

func defaultDial() dialFunc {
	return (&net.Dialer{
		Timeout:         dialTimeout,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3},
	}).DialContext
}

// courier sends each request with the configuration's token, namespace and partition and no others:
// the API client would fill in those of the environment. It bounds the length of the answer.
type courier struct {
	base http.RoundTripper
	cfg  *Config
}

func (c *courier) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Del("X-Consul-Token")
	if token := c.cfg.token.current(); token != "" {
		req.Header.Set("X-Consul-Token", token)
	}
	query := req.URL.Query()
	setOrDelete(query.Set, query.Del, "ns", c.cfg.Namespace)
	setOrDelete(query.Set, query.Del, "partition", c.cfg.Partition)
	req.URL.RawQuery = query.Encode()
	resp, err := c.base.RoundTrip(req)
	if err == nil {
		resp.Body = &boundedBody{ReadCloser: resp.Body, left: answerLimit}
	}
	return resp, err //nolint:wrapcheck // a RoundTripper is transparent
}

func setOrDelete(set func(key, value string), del func(key string), key, value string) {
	if value == "" {
		del(key)
		return
	}
	set(key, value)
}

// boundedBody is a body that fails once it is longer than it may be.
type boundedBody struct {
	io.ReadCloser
	left int64
}

func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, errAnswerTooLong
	}
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	b.left -= int64(n)
	if b.left < 0 && (err == nil || errors.Is(err, io.EOF)) {
		err = errAnswerTooLong
	}
	return n, err //nolint:wrapcheck // a body is transparent
}
