package agents

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// get and put return the answer's body; an answer other than 200 is an error.
func (a *agent) get(ctx context.Context, path string) ([]byte, error) {
	body, _, err := a.do(ctx, http.MethodGet, path, "")
	return body, err
}

func (a *agent) put(ctx context.Context, path, body string) error {
	_, _, err := a.do(ctx, http.MethodPut, path, body)
	return err
}

func (a *agent) do(ctx context.Context, method, path, body string) ([]byte, http.Header, error) {
	request, err := http.NewRequestWithContext(ctx, method, a.url+path, strings.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	response, err := a.client.Do(request)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %s: %.200s", method, path, response.Status, answer)
	}
	return answer, response.Header, err
}

// repeat calls one from several callers at once, n times in all, and returns how many calls were made in a second.
// one is given numbers from 0 to n-1, each once.
func repeat(ctx context.Context, callers, n int, one func(ctx context.Context, i int) error) (float64, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var work sync.WaitGroup
	began := time.Now()
	for range callers {
		work.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				if err := one(ctx, i); err != nil {
					cancel(err)
				}
			}
		})
	}
	work.Wait()
	return float64(n) / time.Since(began).Seconds(), context.Cause(ctx)
}

// instance is the registration of the i-th instance of a service.
func instance(service string, i int) string {
	return fmt.Sprintf(`{"Name":%q,"ID":"%s-%d","Address":"10.%d.%d.%d","Port":%d,"Tags":["v1","blue"],"Meta":{"version":"1.2.3"},`+
		`"Check":{"TTL":"10m","Status":"passing"}}`, service, service, i, i>>16, i>>8&255, i&255, 1000+i%60000)
}

// fill registers n instances of the service and waits until the catalog has them.
func (a *agent) fill(ctx context.Context, service string, n int) error {
	_, err := repeat(ctx, 4, n, func(ctx context.Context, i int) error {
		return a.put(ctx, "/v1/agent/service/register", instance(service, i))
	})
	if err != nil {
		return err
	}
	return a.has(ctx, service, n)
}

// catalogued puts n instances of the service straight into the catalog, on a node of their own. Many are there sooner
// than by way of the agent, which Consul's brings into agreement with its catalog again and again.
func (a *agent) catalogued(ctx context.Context, service string, n int) error {
	_, err := repeat(ctx, 4, n, func(ctx context.Context, i int) error {
		id := fmt.Sprintf("%s-%d", service, i)
		return a.put(ctx, "/v1/catalog/register", fmt.Sprintf(`{"Node":"bench","Address":"127.0.0.1",`+
			`"Service":{"Service":%q,"ID":%q,"Address":"10.%d.%d.%d","Port":%d,"Tags":["v1","blue"],"Meta":{"version":"1.2.3"}},`+
			`"Check":{"CheckID":"service:%s","Name":"alive","ServiceID":%q,"Status":"passing"}}`,
			service, id, i>>16, i>>8&255, i&255, 1000+i%60000, id, id))
	})
	if err != nil {
		return err
	}
	return a.has(ctx, service, n)
}

// has waits until all n instances are found as passing.
func (a *agent) has(ctx context.Context, service string, n int) error {
	ctx, cancel := context.WithTimeout(ctx, 5*patience)
	defer cancel()
	index := "0"
	for {
		body, header, err := a.do(ctx, http.MethodGet, "/v1/health/service/"+service+"?passing&wait=10s&index="+index, "")
		if err != nil {
			return err
		}
		if strings.Count(string(body), `"EnableTagOverride"`) == n {
			return nil
		}
		index = header.Get("X-Consul-Index")
	}
}
