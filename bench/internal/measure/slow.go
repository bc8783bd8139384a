package measure

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// The experiment with a slow instance: how slow it is, how many callers there are, and how long a client
// works before the first sample.
const (
	slowDelay   = 50 * time.Millisecond
	slowCallers = 64
	slowWarm    = time.Second
)

// Policy is a way to spread calls over three instances.
type Policy struct {
	Name  string
	Stack Stack
}

// Policies returns what is compared with one slow instance.
func Policies() []Policy {
	balanced := func(policy string) Stack {
		return Stack{
			Name:       NameRaw,
			Server:     "raw/server",
			Client:     "rawbalanced/client",
			ClientArgs: []string{"-policy", policy},
		}
	}
	return []Policy{
		{"Panda", Stack{Name: NamePanda, Server: "panda/server", Client: "panda/client", ByName: true}},
		{"grpc-go round_robin", balanced("round_robin")},
		{"grpc-go least_request", balanced("least_request_experimental")},
	}
}

// Slow is how a policy did with three equal instances, and with one of three slow.
type Slow struct {
	Policy  Policy
	Healthy []Sample
	OneSlow []Sample // paired with Healthy by index
}

// contest is a policy's two clients.
type contest struct {
	result           *Slow
	healthy, oneSlow *client
}

// Slow compares policies, in turn and in reversing order. Processor and allocations are not sampled.
func (l *Lab) Slow(ctx context.Context, policies []Policy) ([]Slow, error) {
	defer l.Fleet.Close()
	results := make([]Slow, len(policies))
	contests := make([]contest, len(policies))
	pools := make(map[string][2]string)
	for i, policy := range policies {
		results[i].Policy = policy
		targets, started := pools[policy.Stack.Server]
		if !started {
			var err error
			if targets, err = l.pools(ctx, policy.Stack); err != nil {
				return nil, err
			}
			pools[policy.Stack.Server] = targets
		}
		c, err := l.contest(ctx, policy, targets)
		if err != nil {
			return nil, err
		}
		c.result = &results[i]
		contests[i] = c
	}
	for round := range l.Config.SlowRounds {
		l.tellf("slow instance, round %d of %d", round+1, l.Config.SlowRounds)
		for _, c := range contests {
			if err := c.sample(ctx, l.Config); err != nil {
				return nil, err
			}
		}
		slices.Reverse(contests)
	}
	return results, nil
}

// pools starts three equal instances, and three of which one is slow, and returns how to reach them.
func (l *Lab) pools(ctx context.Context, stack Stack) (targets [2]string, err error) {
	if stack.ByName {
		if err := l.startAgent(ctx); err != nil {
			return targets, err
		}
	}
	delays := [2][3]time.Duration{{}, {2: slowDelay}}
	for i, name := range []string{"even", "uneven"} {
		var servers []*instance
		for _, delay := range delays[i] {
			server, err := l.serve(ctx, stack, name, delay)
			if err != nil {
				return targets, err
			}
			servers = append(servers, server)
		}
		targets[i] = target(stack, name, servers...)
	}
	return targets, nil
}

func (l *Lab) contest(ctx context.Context, policy Policy, targets [2]string) (contest, error) {
	var clients [2]*client
	for i, target := range targets {
		c, err := l.dial(ctx, policy.Stack, target)
		if err != nil {
			return contest{}, fmt.Errorf("%s: %w", policy.Name, err)
		}
		if _, err := c.load(ctx, slowCallers, slowWarm); err != nil {
			return contest{}, fmt.Errorf("%s: %w", policy.Name, err)
		}
		clients[i] = c
	}
	return contest{healthy: clients[0], oneSlow: clients[1]}, nil
}

func (c contest) sample(ctx context.Context, config Config) error {
	healthy, err := c.healthy.rate(ctx, config)
	if err != nil {
		return fmt.Errorf("%s: %w", c.result.Policy.Name, err)
	}
	oneSlow, err := c.oneSlow.rate(ctx, config)
	if err != nil {
		return fmt.Errorf("%s: %w", c.result.Policy.Name, err)
	}
	c.result.Healthy = append(c.result.Healthy, healthy)
	c.result.OneSlow = append(c.result.OneSlow, oneSlow)
	return nil
}

// rate samples what a client sees by itself.
func (c *client) rate(ctx context.Context, config Config) (Sample, error) {
	if _, err := c.load(ctx, slowCallers, config.Warm); err != nil {
		return Sample{}, err
	}
	reply, err := c.load(ctx, slowCallers, config.Window)
	if err != nil {
		return Sample{}, err
	}
	return Sample{
		Rate: float64(reply.Done.InTime) / reply.Done.Elapsed.Seconds(),
		P50:  reply.Done.P50.Seconds(),
		P99:  reply.Done.P99.Seconds(),
	}, nil
}
