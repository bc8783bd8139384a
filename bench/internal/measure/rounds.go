package measure

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/pandakit/panda/bench/internal/child"
	"github.com/pandakit/panda/bench/internal/statistics"
)

// Sample is one stack under one load, once. What is per call counts client and server together unless it
// says which.
type Sample struct {
	Rate         float64 // calls per second
	P50, P99     float64 // seconds
	CPU          float64 // seconds of processor per call
	ClientAllocs float64 // heap objects per call
	ServerAllocs float64
}

// Allocs returns the heap objects per call of both processes.
func (s Sample) Allocs() float64 { return s.ClientAllocs + s.ServerAllocs }

// Rounds are the samples of several stacks under several loads.
type Rounds struct {
	Stacks  []Stack
	Callers []int
	samples map[sampleKey][]Sample // in the order of the rounds
}

type sampleKey struct {
	stack   string
	callers int
}

// NewRounds returns rounds without samples.
func NewRounds(stacks []Stack, callers []int) *Rounds {
	return &Rounds{Stacks: stacks, Callers: callers, samples: make(map[sampleKey][]Sample)}
}

// Add adds a stack's sample of the next round.
func (r *Rounds) Add(stack string, callers int, sample Sample) {
	key := sampleKey{stack, callers}
	r.samples[key] = append(r.samples[key], sample)
}

// Has reports whether the stack has been measured.
func (r *Rounds) Has(stack string) bool {
	return slices.ContainsFunc(r.Stacks, func(s Stack) bool { return s.Name == stack })
}

// Values returns one number of each of a stack's samples, in the order of the rounds.
func (r *Rounds) Values(stack string, callers int, number func(Sample) float64) []float64 {
	samples := r.samples[sampleKey{stack, callers}]
	values := make([]float64, len(samples))
	for i, sample := range samples {
		values[i] = number(sample)
	}
	return values
}

// Summary summarises one number of a stack's samples.
func (r *Rounds) Summary(stack string, callers int, number func(Sample) float64) statistics.Summary {
	return statistics.Summarize(r.Values(stack, callers, number))
}

// Ratio summarises how a number of one stack stood to that of another in the same round.
func (r *Rounds) Ratio(stack, base string, callers int, number func(Sample) float64) statistics.Summary {
	return statistics.Summarize(statistics.Ratios(
		r.Values(stack, callers, number), r.Values(base, callers, number)))
}

// pair is a client and the server that it calls.
type pair struct {
	stack  Stack
	server *instance
	client *client
}

// Compare loads the stacks in turn, in rounds whose order reverses each time, so that whatever drifts
// (temperature, neighbours) falls on all of them alike.
func (l *Lab) Compare(ctx context.Context, stacks []Stack) (*Rounds, error) {
	defer l.Fleet.Close()
	pairs := make([]pair, 0, len(stacks))
	for i, stack := range stacks {
		p, err := l.pair(ctx, stack, fmt.Sprintf("hello-%d", i))
		if err != nil {
			return nil, err
		}
		pairs = append(pairs, p)
	}
	rounds := NewRounds(stacks, l.Config.Callers)
	for round := range l.Config.Rounds {
		l.tellf("round %d of %d", round+1, l.Config.Rounds)
		if err := l.round(ctx, pairs, rounds); err != nil {
			return nil, err
		}
		slices.Reverse(pairs)
	}
	return rounds, nil
}

// pair starts a server under a name that no other pair has, and its client.
func (l *Lab) pair(ctx context.Context, stack Stack, name string) (pair, error) {
	if stack.ByName {
		if err := l.startAgent(ctx); err != nil {
			return pair{}, err
		}
	}
	server, err := l.serve(ctx, stack, name, 0)
	if err != nil {
		return pair{}, err
	}
	client, err := l.dial(ctx, stack, target(stack, name, server))
	if err != nil {
		return pair{}, err
	}
	return pair{stack, server, client}, nil
}

func (l *Lab) round(ctx context.Context, pairs []pair, rounds *Rounds) error {
	for _, callers := range rounds.Callers {
		for _, p := range pairs {
			sample, err := p.sample(ctx, callers, l.Config)
			if err != nil {
				return fmt.Errorf("%d callers: %w", callers, err)
			}
			rounds.Add(p.stack.Name, callers, sample)
		}
	}
	return nil
}

func (p pair) sample(ctx context.Context, callers int, config Config) (Sample, error) {
	if _, err := p.client.load(ctx, callers, config.Warm); err != nil {
		return Sample{}, err
	}
	before, err := p.server.used(ctx)
	if err != nil {
		return Sample{}, err
	}
	reply, err := p.client.load(ctx, callers, config.Window)
	if err != nil {
		return Sample{}, err
	}
	after, err := p.server.used(ctx)
	if err != nil {
		return Sample{}, err
	}
	return newSample(reply, before, after), nil
}

func newSample(client child.Reply, before, after child.Usage) Sample {
	calls := float64(client.Done.Calls)
	processor := client.Usage.CPU + after.CPU - before.CPU
	return Sample{
		Rate:         float64(client.Done.InTime) / client.Done.Elapsed.Seconds(),
		P50:          client.Done.P50.Seconds(),
		P99:          client.Done.P99.Seconds(),
		CPU:          processor.Seconds() / calls,
		ClientAllocs: float64(client.Usage.Mallocs) / calls,
		ServerAllocs: float64(after.Mallocs-before.Mallocs) / calls,
	}
}

// pause waits, or returns the context's error.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
