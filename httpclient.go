package panda

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pandakit/panda/discovery"
	"github.com/pandakit/panda/internal/loadbalance/lifesign"
	"github.com/pandakit/panda/internal/loadbalance/p2c"
	"github.com/pandakit/panda/internal/tracecontext"
)

// Bounds of an HTTP client.
const (
	// mostHosts is how many names one client follows: a program names its services, so more are an accident
	// or an attack.
	mostHosts = 1000
	// idlePerInstance is how many unused connections to an instance are kept.
	idlePerInstance = 64
	// httpTries bounds how often a request that may have reached an instance is sent, after breaks of its connection, and after
	// silences of its instance.
	httpTries = 3
)

// HTTPClient returns a client that finds hosts in Consul's own naming by service name:
//
//	http://web.service.consul/            any instance of web
//	http://v2.web.service.consul/         one with the tag v2
//	http://web.service.dc2.consul/        one in datacenter dc2
//
// The request goes to the port that the instance registered, or to the URL's if it has one, with the
// Host header as in the URL. Other hosts are reached as by [http.DefaultTransport]. Instances are picked, and
// waited for, as by [Conn]. A request that no instance has seen is sent to another; so is one whose
// connection broke if its method is idempotent (RFC 9110, section 9.2.2) and its body can be sent again.
//
// An instance that answers nothing any more while requests are in flight gets no more within 0.8 s, until it gives a sign of
// life, for which it is asked by "OPTIONS *" on a connection of its own. Requests that wait for it are made anew on another
// instance, at most twice each, where method and body allow that as above; others stay until their own deadline.
//
// CloseIdleConnections also ends the watches; the next request starts them again. An option or a
// variable that makes no sense is told by the first request to a service.
func HTTPClient(options ...ClientOption) *http.Client {
	config := newClientConfig(options)
	dials := newDials(&net.Dialer{Timeout: connectTimeout, KeepAlive: 15 * time.Second})
	return &http.Client{Transport: &byName{
		config: config,
		groups: map[groupKey]*group{},
		dials:  dials,
		named: &http.Transport{
			DialContext:         dials.dial,
			MaxIdleConnsPerHost: idlePerInstance,
			IdleConnTimeout:     idleTimeout - 10*time.Second, // sooner than a service closes them
			TLSHandshakeTimeout: connectTimeout,
		},
		others: http.DefaultTransport,
	}}
}

// byName is the transport of HTTPClient.
type byName struct {
	config clientConfig
	dials  *dials // of named
	named  *http.Transport
	others http.RoundTripper

	mu     sync.Mutex
	groups map[groupKey]*group
}

// groupKey is what requests have in common that go to the same ports.
type groupKey struct {
	host   string
	port   string // "" for the one that an instance has registered
	secure bool
}

// RoundTrip implements [http.RoundTripper].
func (t *byName) RoundTrip(r *http.Request) (*http.Response, error) {
	host := strings.ToLower(strings.TrimSuffix(r.URL.Hostname(), "."))
	name, ok := parseServiceName(host)
	if !ok {
		return t.others.RoundTrip(r)
	}
	key := groupKey{host, r.URL.Port(), r.URL.Scheme == "https"}
	body := newRequestBody(r)
	defer body.release()
	for {
		g, err := t.group(key, name)
		if err != nil {
			return nil, err
		}
		response, err := t.send(g, key, r, body)
		if !errors.Is(err, errGroupClosed) { // by CloseIdleConnections, which is no reason to fail
			return response, err
		}
	}
}

// CloseIdleConnections is called by the method of the same name of [http.Client].
func (t *byName) CloseIdleConnections() {
	t.mu.Lock()
	groups := t.groups
	t.groups = map[groupKey]*group{}
	t.mu.Unlock()
	for _, g := range groups {
		g.close()
	}
	t.named.CloseIdleConnections()
}

func (t *byName) group(key groupKey, name serviceName) (*group, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if g := t.groups[key]; g != nil {
		return g, nil
	}
	if len(t.groups) >= mostHosts {
		return nil, fmt.Errorf("look up service %q: this client already follows %d services; use another for more", name.service, mostHosts)
	}
	g, err := newGroup(name.service, &t.config, key.question)
	if err != nil {
		return nil, fmt.Errorf("look up service %q: %w", name.service, err)
	}
	g.refuses = name.refuses
	g.silenced = func(e *p2c.Endpoint) { t.dials.giveUp(key.address(endpointOf(e).instance)) }
	t.groups[key] = g
	return g, nil
}

// question asks an instance where requests go. With TLS the name is not checked: whoever answers lives.
func (k groupKey) question(i discovery.Instance) lifesign.Question {
	q := lifesign.Options(k.address(i))
	if k.secure {
		q.TLS = &tls.Config{ServerName: i.Address, MinVersion: tls.VersionTLS12}
	}
	return q
}

// address is where requests to the instance go.
func (k groupKey) address(i discovery.Instance) string {
	if k.port == "" {
		return i.Endpoint()
	}
	return net.JoinHostPort(i.Address, k.port)
}

// send tries instances until one has answered.
func (t *byName) send(g *group, key groupKey, r *http.Request, body *requestBody) (*http.Response, error) {
	var response *http.Response
	tries, moves := 0, 0
	err := g.call(r.Context(), func(ctx context.Context, a *attempt) (again bool, err error) {
		inside := ctx
		if moves < httpTries-1 && idempotent(r) && body.repeatable() {
			inside = a.movable(ctx) // the last one is not
		}
		out, err := outgoing(inside, r, body, key.address(a.instance()))
		if err != nil {
			a.takenBack()
			a.release()
			a.abandoned()
			return false, err
		}
		tries++
		response, err = t.named.RoundTrip(out) //nolint:bodyclose // the caller closes it
		if a.takenBack() {
			moves++
			discard(response)
			a.abandoned()
			return true, errSilent
		}
		if err == nil {
			a.hold(response)
			return false, nil
		}
		a.release()
		if ctx.Err() != nil {
			a.givenUp(ctx)
			return false, err
		}
		a.failed(err)
		return body.again() && (unseen(err) || tries < httpTries && idempotent(r)), err
	})
	if err != nil {
		return nil, err
	}
	return response, nil
}

// hold ends an attempt that was answered, whose context lives as long as the response is read.
func (a *attempt) hold(response *http.Response) {
	if a.taking.Cancel != nil {
		_, switched := response.Body.(io.Writer) // to another protocol: the transport has nothing to do with it any more
		if response.Body == http.NoBody || switched {
			a.release()
		} else {
			response.Body = &endingBody{response.Body, a.taking.Cancel}
		}
	}
	if response.StatusCode == http.StatusServiceUnavailable {
		a.unfit("it answers 503 Service Unavailable")
		return
	}
	a.succeeded()
}

// discard lets go of a response that came when its request had just been taken back.
func discard(response *http.Response) {
	if response != nil {
		_ = response.Body.Close() // it is broken off already
	}
}

// outgoing is the request as it goes to the instance: a copy, as RoundTrip must not change what it was given.
func outgoing(ctx context.Context, r *http.Request, body *requestBody, to string) (*http.Request, error) {
	out := r.Clone(ctx)
	var err error
	if out.Body, err = body.next(); err != nil {
		return nil, fmt.Errorf("read the request's body: %w", err)
	}
	if out.Host == "" {
		out.Host = r.URL.Host
	}
	out.URL.Host = to
	tracecontext.Inject(ctx, out.Header)
	return out, nil
}

// unseen reports whether no connection came about.
func unseen(err error) bool {
	operation, ok := errors.AsType[*net.OpError](err)
	return ok && operation.Op == "dial"
}

func idempotent(r *http.Request) bool {
	return slices.Contains([]string{"", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodPut, http.MethodDelete}, r.Method)
}

// serviceName is a host name in the form of Consul's DNS: [TAG.]NAME.service[.DATACENTER].consul.
type serviceName struct{ tag, service, datacenter string }

func parseServiceName(host string) (serviceName, bool) {
	rest, ok := strings.CutSuffix(host, ".consul")
	if !ok {
		return serviceName{}, false
	}
	labels := strings.Split(rest, ".")
	var name serviceName
	switch last := len(labels) - 1; {
	case last >= 1 && labels[last] == "service":
		labels = labels[:last]
	case last >= 2 && labels[last-1] == "service":
		name.datacenter, labels = labels[last], labels[:last-1]
	default:
		return serviceName{}, false
	}
	name.service = labels[len(labels)-1]
	name.tag = strings.Join(labels[:len(labels)-1], ".")
	return name, name.service != ""
}

// refuses returns what of the name does not fit the instance, or "".
func (n serviceName) refuses(i discovery.Instance) string {
	switch {
	case n.tag != "" && !slices.ContainsFunc(i.Tags, func(tag string) bool { return strings.EqualFold(tag, n.tag) }):
		return fmt.Sprintf("it has no tag %q", n.tag)
	case n.datacenter != "" && !strings.EqualFold(n.datacenter, i.Datacenter):
		return fmt.Sprintf("it is not in datacenter %q", n.datacenter)
	}
	return ""
}
