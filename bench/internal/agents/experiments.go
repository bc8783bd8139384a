package agents

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/pandakit/panda/bench/internal/statistics"
)

const (
	settling = 3 * time.Second // after the start or after much work, before an agent counts as idle
	idling   = 5 * time.Second
	callers  = 8
	few      = 10
	many     = 1000
	most     = 10000
	twice    = 2
	ahead    = 1
)

func experiments() []experiment {
	return []experiment{
		{name: "idle", sample: idle, figures: []target{
			{"start until it takes writes", milliseconds, twice},
			{"memory, idle", megabytes, twice},
			{"processor time in a second of idling", microseconds, twice},
		}},
		{name: "register", sample: register, figures: []target{
			{"registrations a second, 8 callers, the first 1,000", perSecond, ahead},
			{"memory with 10,000 instances", megabytes, ahead},
			{"processor time in a second of idling with 10,000 instances", microseconds, ahead},
		}},
		{name: "lookup", sample: lookup, figures: []target{
			{"lookups a second, 10 instances", perSecond, ahead},
			{"lookups a second, 1,000 instances", perSecond, ahead},
			{"lookups a second, 10,000 instances", perSecond, ahead},
		}},
		{name: "wake", sample: wake, figures: []target{
			{"change until its watcher is told", milliseconds, ahead},
			{"change until 100 watchers are told", milliseconds, ahead},
			{"change until 1,000 watchers are told", milliseconds, ahead},
		}},
		{name: "kv", durable: true, sample: keys, figures: []target{
			{"durable KV writes a second, 1 caller", perSecond, ahead},
			{"durable KV writes a second, 16 callers", perSecond, ahead},
			{"durable KV writes a second, 64 callers", perSecond, ahead},
		}},
		{name: "blocked", sample: blocked, figures: []target{
			{"memory with 10,000 blocked watchers", megabytes, ahead},
		}},
	}
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func idle(ctx context.Context, a *agent) ([]float64, error) {
	memory, processor, err := a.rest(ctx)
	return []float64{a.started.Seconds(), memory, processor}, err
}

// rest lets the agent be, and returns its memory and its processor time in a second.
func (a *agent) rest(ctx context.Context) (memory, processor float64, err error) {
	if err := pause(ctx, settling); err != nil {
		return 0, 0, err
	}
	before, err := a.processor()
	if err != nil {
		return 0, 0, err
	}
	if err := pause(ctx, idling); err != nil {
		return 0, 0, err
	}
	after, err := a.processor()
	if err != nil {
		return 0, 0, err
	}
	memory, err = a.memory()
	// The kernel counts in hundredths: less than one is taken for half of one.
	used := max(after-before, time.Second/ticks/2)
	return memory, used.Seconds() / idling.Seconds(), err
}

// register has every registration acknowledged and, since Consul takes it over into its catalog later, found.
func register(ctx context.Context, a *agent) ([]float64, error) {
	began := time.Now()
	if _, err := repeat(ctx, callers, many, func(ctx context.Context, i int) error {
		return a.put(ctx, "/v1/agent/service/register", instance("web", i))
	}); err != nil {
		return nil, err
	}
	if err := a.has(ctx, "web", many); err != nil {
		return nil, err
	}
	rate := many / time.Since(began).Seconds()
	if err := a.catalogued(ctx, "more", most-many); err != nil {
		return nil, err
	}
	memory, processor, err := a.rest(ctx)
	return []float64{rate, memory, processor}, err
}

func lookup(ctx context.Context, a *agent) ([]float64, error) {
	var rates []float64
	for _, of := range []struct{ instances, lookups int }{{few, 8000}, {many, 400}, {most, 40}} {
		if err := a.catalogued(ctx, "web"+strconv.Itoa(of.instances), of.instances); err != nil {
			return nil, err
		}
		path := "/v1/health/service/web" + strconv.Itoa(of.instances) + "?passing"
		rate, err := repeat(ctx, callers, of.lookups, func(ctx context.Context, _ int) error {
			_, err := a.get(ctx, path)
			return err
		})
		if err != nil {
			return nil, err
		}
		rates = append(rates, rate)
	}
	return rates, nil
}

// wake changes a service that watchers wait for, and takes the time until the last of them has its answer.
func wake(ctx context.Context, a *agent) ([]float64, error) {
	if err := a.fill(ctx, "web", few); err != nil {
		return nil, err
	}
	var medians []float64
	changes := 0 // of the check, to and fro
	for _, watchers := range []int{1, 100, 1000} {
		var times []float64
		for range 5 {
			took, err := a.wakeOnce(ctx, watchers, changes)
			changes++
			if err != nil {
				return nil, err
			}
			times = append(times, took.Seconds())
		}
		medians = append(medians, statistics.Median(times))
	}
	return medians, nil
}

func (a *agent) wakeOnce(ctx context.Context, watchers, n int) (time.Duration, error) {
	_, header, err := a.do(ctx, http.MethodGet, "/v1/health/service/web?passing", "")
	if err != nil {
		return 0, err
	}
	path := "/v1/health/service/web?passing&wait=60s&index=" + header.Get("X-Consul-Index")
	type told struct {
		at  time.Time
		err error
	}
	answers := make(chan told, watchers)
	for range watchers {
		go func() {
			_, err := a.get(ctx, path)
			answers <- told{time.Now(), err}
		}()
	}
	// Nobody says when the last has arrived: half a second is ten times what it takes.
	if err := pause(ctx, time.Second/2); err != nil {
		return 0, err
	}
	if len(answers) > 0 {
		return 0, errors.New("a watcher was woken by nothing")
	}
	began := time.Now()
	status := []string{"warn", "pass"}[n%2]
	if err := a.put(ctx, "/v1/agent/check/"+status+"/service:web-0", ""); err != nil {
		return 0, err
	}
	var last time.Time
	for range watchers {
		answer := <-answers
		if answer.err != nil {
			return 0, answer.err
		}
		last = slices.MaxFunc([]time.Time{last, answer.at}, time.Time.Compare)
	}
	return last.Sub(began), nil
}

func keys(ctx context.Context, a *agent) ([]float64, error) {
	var rates []float64
	for _, of := range []struct{ callers, writes int }{{1, 300}, {16, 3000}, {64, 6000}} {
		rate, err := repeat(ctx, of.callers, of.writes, func(ctx context.Context, i int) error {
			return a.put(ctx, fmt.Sprintf("/v1/kv/bench/%d/%d", of.callers, i), "a value of thirty-two characters")
		})
		if err != nil {
			return nil, err
		}
		rates = append(rates, rate)
	}
	return rates, nil
}

// blocked holds watchers of services that do not change, and lets them go.
func blocked(ctx context.Context, a *agent) ([]float64, error) {
	if err := a.fill(ctx, "web", few); err != nil {
		return nil, err
	}
	_, header, err := a.do(ctx, http.MethodGet, "/v1/health/service/web?passing", "")
	if err != nil {
		return nil, err
	}
	waiting, release := context.WithCancel(ctx)
	defer release()
	failures := make(chan error, most)
	for range most {
		go func() {
			_, err := a.get(waiting, "/v1/health/service/web?passing&wait=5m&index="+header.Get("X-Consul-Index"))
			if waiting.Err() != nil {
				err = nil
			}
			failures <- err
		}()
	}
	if err := pause(ctx, settling); err != nil {
		return nil, err
	}
	memory, err := a.memory()
	if len(failures) > 0 {
		err = errors.Join(err, fmt.Errorf("%d watchers did not wait", len(failures)))
	}
	release()
	for range most {
		err = errors.Join(err, <-failures)
	}
	return []float64{memory}, err
}
