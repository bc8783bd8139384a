package cluster_test

import (
	"bytes"
	"context"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/pandakit/panda/discovery"
	"github.com/pandakit/panda/discovery/consul"
)

// changes is how many times an instance is registered, and removed again, in the runs that the page is made of.
const changes, fewChanges = 30, 10

// The samples of a change, and by whom it was seen.
const (
	registered = "registered"
	removed    = "removed"
	byLibrary  = ", library"
	byQuery    = ", bare query"
)

// What a client's resolver knows is what its registry watches, which publishes to the picker at once. Instances come and
// go through an agent on one host, and are waited for through the agent on another: by a watch of the library, and beside it by
// a blocking query that is nothing else.
func TestChangesReachPickers(t *testing.T) {
	s := plain.get(t)
	from, err := s.view(victimHost)
	if err != nil {
		t.Fatal(err)
	}
	to, err := s.view(callerHost)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	told, bare := make(chan seen, 4), make(chan seen, 4)
	var watching sync.WaitGroup
	defer watching.Wait()
	defer cancel()
	watching.Go(func() {
		_ = to.Watch(ctx, "change", func(known discovery.Snapshot) { tell(ctx, told, len(known.Usable())) })
	})
	watching.Go(func() { s.block(ctx, bare) })
	await(t, told, 0)
	await(t, bare, 0)
	r, times := keep(t), fewChanges
	if *update {
		times = changes
	}
	for range times {
		present, leave := announce(ctx, from)
		asked := <-present
		r.sample(registered+byLibrary, await(t, told, 1).Sub(asked))
		r.sample(registered+byQuery, await(t, bare, 1).Sub(asked))
		asked = time.Now()
		gone := leave()
		r.sample(removed+byLibrary, await(t, told, 0).Sub(asked))
		r.sample(removed+byQuery, await(t, bare, 0).Sub(asked))
		if err := <-gone; err != nil {
			t.Fatal(err)
		}
	}
	for what, samples := range r.samples {
		t.Logf("%s: %v", what, summary(samples))
	}
}

// seen is how many usable instances there are, and when that was known.
type seen struct {
	usable int
	at     time.Time
}

func tell(ctx context.Context, to chan<- seen, usable int) {
	select {
	case to <- seen{usable, time.Now()}:
	case <-ctx.Done():
	}
}

// await returns when the number of usable instances was known to be that.
func await(t *testing.T, from <-chan seen, usable int) time.Time {
	t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case s := <-from:
			if s.usable == usable {
				return s.at
			}
		case <-deadline:
			t.Fatalf("there were not %d instances within %v", usable, patience)
		}
	}
}

// announce keeps an instance registered until leave is called. The channel tells when the agent was asked to take it.
func announce(ctx context.Context, with *consul.Registry) (asked <-chan time.Time, leave func() <-chan error) {
	ctx, cancel := context.WithCancel(ctx)
	began, gone := make(chan time.Time, 1), make(chan error, 1)
	began <- time.Now()
	go func() {
		gone <- with.Announce(ctx, discovery.Announcement{
			Instance: discovery.Instance{ID: "change-1", Service: "change", Address: "10.78.0.14", Port: 9999},
		})
	}()
	return began, func() <-chan error {
		cancel()
		return gone
	}
}

// block tells what blocking queries without anything around them bring.
func (s *system) block(ctx context.Context, to chan<- seen) {
	index := ""
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for ctx.Err() == nil {
		url := "http://" + s.cluster.API(callerHost) + "/v1/health/service/change?passing&stale&wait=30s&index=" + index
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return
		}
		resp, err := client.Do(req)
		if err != nil {
			return
		}
		var body bytes.Buffer
		_, err = body.ReadFrom(resp.Body)
		_ = resp.Body.Close()
		if err != nil {
			return
		}
		if _, err := strconv.Atoi(resp.Header.Get("X-Consul-Index")); err == nil {
			index = resp.Header.Get("X-Consul-Index")
		}
		tell(ctx, to, bytes.Count(body.Bytes(), []byte(`"ID":"change-1"`)))
	}
}
