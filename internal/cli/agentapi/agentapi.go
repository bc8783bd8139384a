// Package agentapi asks one agent, ours or Consul's, what only Consul's own API has: its members, its keys, its
// leave and reload. Which agent, and with which token, Consul's variables and flags say.
//
// It never looks services up (discovery/consul does), and it keeps no state between requests.
package agentapi

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"
	"github.com/spf13/pflag"

	"github.com/pandakit/panda/discovery/consul"
	"github.com/pandakit/panda/internal/cli/command"
)

const (
	dialTimeout = 5 * time.Second
	// headerTimeout bounds what an agent may think about. Leaving takes longest.
	headerTimeout = 30 * time.Second
	answerLimit   = 256 << 20 // bytes; an export of a large store is the longest answer
	defaultPort   = "8500"
)

// Flags are Consul's flags for reaching an agent. They win over the variables.
type Flags struct {
	address, token, tokenFile               string
	caFile, caPath, cert, key, tlsName      string
	datacenter, namespace, partition, stale string
}

// AddFlags adds to a command the flags that all of Consul's commands have, and returns where their values go.
func AddFlags(flags *pflag.FlagSet) *Flags {
	f := new(Flags)
	flags.StringVar(&f.address, "http-addr", "", "`address` of the agent, also with http:// or https:// (default: CONSUL_HTTP_ADDR, else 127.0.0.1:8500)")
	flags.StringVar(&f.token, "token", "", "ACL `token` (default: CONSUL_HTTP_TOKEN)")
	flags.StringVar(&f.tokenFile, "token-file", "", "`file` that has the ACL token (default: CONSUL_HTTP_TOKEN_FILE)")
	flags.StringVar(&f.caFile, "ca-file", "", "`file` of the authority that signed the agent's certificate (default: CONSUL_CACERT)")
	flags.StringVar(&f.caPath, "ca-path", "", "`folder` of such files (default: CONSUL_CAPATH)")
	flags.StringVar(&f.cert, "client-cert", "", "`file` of the client's own certificate (default: CONSUL_CLIENT_CERT)")
	flags.StringVar(&f.key, "client-key", "", "`file` of its key (default: CONSUL_CLIENT_KEY)")
	flags.StringVar(&f.tlsName, "tls-server-name", "", "`name` to check the agent's certificate for (default: CONSUL_TLS_SERVER_NAME)")
	return f
}

// AddServerFlags adds the flags of commands that ask the datacenter, not only the agent.
func (f *Flags) AddServerFlags(flags *pflag.FlagSet) {
	flags.StringVar(&f.datacenter, "datacenter", "", "`name` of the datacenter to ask (default: the agent's own)")
	flags.StringVar(&f.stale, "stale", "", "let any server answer, not the leader alone: true or false")
	flags.Lookup("stale").NoOptDefVal = "true"
	flags.StringVar(&f.namespace, "namespace", "", "`name` of the namespace, for Consul Enterprise")
	flags.StringVar(&f.partition, "partition", "", "`name` of the partition, for Consul Enterprise")
}

// Agent is one agent. Its methods may be called from several goroutines at once.
type Agent struct {
	base   *url.URL
	client *http.Client
	header http.Header
	query  url.Values
	name   string
}

// Connect returns the agent that the flags and the environment name. It does no I/O but reading the files that
// they name. Close releases it.
func (f *Flags) Connect(env *command.Env) (*Agent, error) {
	cfg := consul.ConfigFromEnv(env.Getenv)
	if _, err := consul.New(cfg); err != nil && f.address == "" {
		return nil, command.Usage(err) // a variable that makes no sense
	}
	f.over(&cfg)
	if err := readToken(&cfg); err != nil {
		return nil, command.Usage(err)
	}
	address := consul.DefaultAddress
	if len(cfg.Addresses) > 0 {
		address = cfg.Addresses[0]
	}
	base, socket, err := parse(address, cfg.HTTPS)
	if err != nil {
		return nil, command.Usage(err)
	}
	transport, err := newTransport(&cfg, socket)
	if err != nil {
		return nil, command.Usage(err)
	}
	a := &Agent{base: base, client: &http.Client{Transport: transport}, header: make(http.Header), query: f.parameters(&cfg), name: address}
	a.authorize(&cfg)
	return a, nil
}

// over lets the flags win.
func (f *Flags) over(cfg *consul.Config) {
	set := func(to *string, value string) {
		if value != "" {
			*to = value
		}
	}
	if f.address != "" {
		cfg.Addresses = []string{f.address}
	}
	if f.token != "" || f.tokenFile != "" {
		cfg.Token, cfg.TokenFile = f.token, f.tokenFile
	}
	set(&cfg.CAFile, f.caFile)
	set(&cfg.CAPath, f.caPath)
	set(&cfg.CertFile, f.cert)
	set(&cfg.KeyFile, f.key)
	set(&cfg.ServerName, f.tlsName)
	set(&cfg.Namespace, f.namespace)
	set(&cfg.Partition, f.partition)
}

func (f *Flags) parameters(cfg *consul.Config) url.Values {
	q := make(url.Values)
	for name, value := range map[string]string{"dc": f.datacenter, "ns": cfg.Namespace, "partition": cfg.Partition} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if f.stale == "true" {
		q.Set("stale", "")
	}
	return q
}

func readToken(cfg *consul.Config) error {
	if cfg.TokenFile == "" {
		return nil
	}
	content, err := os.ReadFile(cfg.TokenFile)
	if err != nil {
		return fmt.Errorf("read the token file: %w", err)
	}
	cfg.Token = strings.TrimSpace(string(content))
	return nil
}

// parse reads host, host:port, http://…, https://… or unix:///path.
func parse(address string, https bool) (base *url.URL, socket string, err error) {
	scheme := "http"
	if https {
		scheme = "https"
	}
	if path, ok := strings.CutPrefix(address, "unix://"); ok {
		return &url.URL{Scheme: scheme, Host: "localhost"}, path, nil
	}
	if !strings.Contains(address, "://") {
		if _, _, err := net.SplitHostPort(address); err != nil {
			address = net.JoinHostPort(strings.Trim(address, "[]"), defaultPort)
		}
		address = scheme + "://" + address
	}
	base, err = url.Parse(address)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, "", fmt.Errorf("read the agent's address %q: want host:port, http://…, https://… or unix:///path", address)
	}
	base.Path = strings.TrimSuffix(base.Path, "/")
	return base, "", nil
}

// newTransport returns one that uses no proxy of the environment, as the services' own client does.
func newTransport(cfg *consul.Config, socket string) (*http.Transport, error) {
	dialer := &net.Dialer{Timeout: dialTimeout}
	t := &http.Transport{
		DialContext: dialer.DialContext, TLSHandshakeTimeout: dialTimeout,
		ResponseHeaderTimeout: headerTimeout, DisableKeepAlives: true,
	}
	if socket != "" {
		t.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", socket)
		}
	}
	var err error
	t.TLSClientConfig, err = tlsConfig(cfg)
	return t, err
}

func tlsConfig(cfg *consul.Config) (*tls.Config, error) {
	c, err := api.SetupTLSConfig(&api.TLSConfig{
		Address: cfg.ServerName, CAFile: cfg.CAFile, CAPath: cfg.CAPath,
		CertFile: cfg.CertFile, KeyFile: cfg.KeyFile, InsecureSkipVerify: cfg.SkipVerify,
	})
	if err != nil {
		return nil, fmt.Errorf("set up TLS to the agent: %w", err)
	}
	return c, nil
}

func (a *Agent) authorize(cfg *consul.Config) {
	if cfg.Token != "" {
		a.header.Set("X-Consul-Token", cfg.Token)
	}
	if cfg.BasicAuth != "" {
		user, password, _ := strings.Cut(cfg.BasicAuth, ":")
		probe := &http.Request{Header: a.header}
		probe.SetBasicAuth(user, password)
	}
}

// String names the agent by its address as it was given.
func (a *Agent) String() string { return a.name }

// Host returns the host name or IP address of the agent; "localhost" for a socket.
func (a *Agent) Host() string { return a.base.Hostname() }

// At returns the agent of another host that listens on the same port, with TLS or without as this one, and takes the same
// token. One that was given by a socket has others on Consul's usual port.
func (a *Agent) At(host string) *Agent {
	port := cmp.Or(a.base.Port(), defaultPort)
	other := *a
	base := *a.base
	base.Host = net.JoinHostPort(host, port)
	other.base, other.name = &base, base.Host
	if transport, ok := a.client.Transport.(*http.Transport); ok {
		transport = transport.Clone()
		transport.DialContext = (&net.Dialer{Timeout: dialTimeout}).DialContext
		other.client = &http.Client{Transport: transport}
	}
	return &other
}

// Answer is what an agent answered with success.
type Answer struct {
	Body   []byte
	Header http.Header
}

// StatusError is an answer other than success. Its text is that of Consul's own client.
type StatusError struct {
	Code int
	Body string
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("Unexpected response code: %d (%s)", e.Code, e.Body)
}

// Do sends one request. An error of the agent is a *[StatusError], one on the way to it has advice.
func (a *Agent) Do(ctx context.Context, method, path string, query url.Values, body []byte) (Answer, error) {
	target := *a.base
	target.Path += path
	all := make(url.Values)
	for _, values := range []url.Values{a.query, query} {
		maps.Copy(all, values)
	}
	target.RawQuery = all.Encode()
	request, err := http.NewRequestWithContext(ctx, method, target.String(), bytes.NewReader(body))
	if err != nil {
		return Answer{}, fmt.Errorf("make a request of the agent: %w", err)
	}
	request.Header = a.header.Clone()
	response, err := a.client.Do(request)
	if err != nil {
		return Answer{}, unreachable(ctx, err)
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(io.LimitReader(response.Body, answerLimit+1))
	switch {
	case err != nil:
		return Answer{}, unreachable(ctx, err)
	case len(content) > answerLimit:
		return Answer{}, fmt.Errorf("read the agent's answer: it is longer than %d MiB", answerLimit>>20)
	case response.StatusCode != http.StatusOK:
		return Answer{}, &StatusError{Code: response.StatusCode, Body: strings.TrimSpace(string(content))}
	}
	return Answer{Body: content, Header: response.Header}, nil
}

func unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errors.New("interrupted")
	}
	return command.AdviseRegistry(err)
}

// Get asks for JSON and reads it into answer.
func (a *Agent) Get(ctx context.Context, path string, query url.Values, answer any) error {
	got, err := a.Do(ctx, http.MethodGet, path, query, nil)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(got.Body, answer); err != nil {
		return fmt.Errorf("read the agent's answer to GET %s: %w", path, err)
	}
	return nil
}
