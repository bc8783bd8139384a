package loadbalance

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/balancer/base"
	"google.golang.org/grpc/connectivity"

	"github.com/pandakit/panda/discovery"
)

// publish tells gRPC and Availability the state where it has changed. lookAnew makes waiting calls pick again even when
// it has not: they may wait for a connection that is gone. b.mu is held.
func (b *policy) publish(lookAnew bool) {
	switch {
	case b.ready > 0:
		b.hopeless = false
		b.stopPatience()
		if lookAnew || b.state != connectivity.Ready {
			b.tell(connectivity.Ready, b.picker)
		}
	case b.hopeless:
		// The text follows what is known of the instances.
		b.tell(connectivity.TransientFailure, base.NewErrPicker(b.unavailable()))
	default:
		b.startPatience()
		if lookAnew || b.state != connectivity.Connecting {
			b.tell(connectivity.Connecting, base.NewErrPicker(balancer.ErrNoSubConnAvailable))
		}
	}
	b.availability.set(b, b.ready > 0)
}

func (b *policy) tell(state connectivity.State, picker balancer.Picker) {
	b.state = state
	b.cc.UpdateState(balancer.State{ConnectivityState: state, Picker: picker})
}

// startPatience bounds how long calls wait while nothing is connected. b.mu is held.
func (b *policy) startPatience() {
	if b.patience != nil || b.config.UnavailableAfter == 0 {
		return
	}
	var timer *time.Timer
	timer = time.AfterFunc(time.Duration(b.config.UnavailableAfter), func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.closed || b.patience != timer {
			return // stopped while it fired
		}
		b.patience = nil
		b.hopeless = true
		b.publish(true)
	})
	b.patience = timer
}

// stopPatience makes sure that the timer does nothing any more. b.mu is held.
func (b *policy) stopPatience() {
	if b.patience != nil {
		b.patience.Stop()
		b.patience = nil
	}
}

// refusalsShown bounds an error text.
const refusalsShown = 5

// unavailable says that no instance is connected, and why. b.mu is held.
func (b *policy) unavailable() error {
	var text strings.Builder
	if len(b.members) == 0 {
		fmt.Fprintf(&text, "no instance is known for %v", b.config.UnavailableAfter)
	} else {
		fmt.Fprintf(&text, "none of %s is connected for %v", plural(len(b.members), "instance"), b.config.UnavailableAfter)
	}
	for i, m := range b.sorted() {
		if i == refusalsShown {
			fmt.Fprintf(&text, "; and %d more", len(b.members)-i)
			break
		}
		reason := m.refusal()
		if reason == "" {
			reason = "still connecting"
		}
		fmt.Fprintf(&text, "; %s (%s): %s", m.id, m.address, reason)
	}
	if b.resolverErr != nil {
		fmt.Fprintf(&text, "; the registry: %v", b.resolverErr)
	}
	return errors.New(text.String())
}

func (b *policy) sorted() []*member {
	list := make([]*member, 0, len(b.members))
	for _, m := range b.members {
		list = append(list, m)
	}
	slices.SortFunc(list, func(x, y *member) int { return strings.Compare(x.id+x.address, y.id+y.address) })
	return list
}

// refusal says why no calls go to the instance now, or "".
func (b *policy) refusal(i *discovery.Instance) string {
	b.mu.Lock()
	m := b.members[identity{i.ID, address(i)}]
	reason := ""
	if m != nil {
		reason = m.refusal()
	}
	b.mu.Unlock()
	if m == nil || reason != "" {
		return reason
	}
	if why, ejected := b.pool.Ejected(m.endpoint); ejected {
		return ejectionReason(why, b.clock())
	}
	return ""
}

func plural(n int, what string) string {
	if n != 1 && what == "instance" {
		what = "instances"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// round prints a duration as people say it.
func round(d time.Duration) string {
	if d >= time.Second {
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(max(time.Millisecond, d/100)).String()
}
