package cluster_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/pandakit/panda/discovery"
	"github.com/pandakit/panda/internal/netns"
)

// enough is how many answers of each of the others show that calls go on.
const enough = 100

// The server that leads is killed, and another one leads.
func TestLeaderKilled(t *testing.T) {
	runDrill(t, &plain, false, leaderKilled)
}

func leaderKilled(d *drillRun) {
	old, killed := d.leader(""), time.Now()
	d.do("kill the leader", d.cluster.Kill(old))
	d.leader(old)
	d.time("new leader", time.Since(killed))
	d.load.awaitAnswers(d.T, enough, d.others(old)...)
	started := time.Now()
	d.do("start it again", d.cluster.Start(d.Context(), old))
	d.awaitPassing(old)
	d.returned(old, started)
}

// The host of the leader is lost, with the server and the instance on it, without a word to anyone.
func TestLeaderHostLost(t *testing.T) {
	runDrill(t, &plain, true, func(d *drillRun) {
		old, lost := d.leader(""), time.Now()
		d.do("unplug the leader's host", d.unplug(old))
		d.do("kill the leader", d.cluster.Kill(old))
		d.killInstanceOnly(old)
		d.leader(old)
		d.time("new leader", time.Since(lost))
		d.awaitGone(old)
		d.time("out of the registry", time.Since(lost))
		d.lost(old, d.address(old), lost, enough)
		plugged := time.Now()
		d.do("bring the host back", d.mend(d.Context()))
		d.awaitPassing(old)
		d.returned(old, plugged)
	})
}

// Two of three servers are killed: nothing can be written, and everyone knows what was known.
func TestQuorumLost(t *testing.T) {
	runDrill(t, &plain, false, func(d *drillRun) {
		leader := d.leader("")
		lost := []string{leader, "n1"}
		if leader == "n1" {
			lost[1] = "n2"
		}
		for _, node := range lost {
			d.do("kill "+node, d.cluster.Kill(node))
		}
		d.load.awaitAnswers(d.T, enough, d.addresses(instanceHosts...)...)
		d.do("start an instance", d.startInstance("late", victimHost, "9001"))
		d.awaitAgentHas(victimHost, d.address("late"))
		d.load.awaitAnswers(d.T, enough, d.addresses(instanceHosts...)...)
		if n := d.load.records.Answers()[d.address("late")]; n != 0 {
			d.Errorf("the new instance answered %d calls while nothing could be written", n)
		}
		started := time.Now()
		for _, node := range lost {
			d.do("start "+node, d.cluster.Start(d.Context(), node))
		}
		d.leader("")
		d.time("new leader", time.Since(started))
		d.returned("late", started)
		d.endInstance("late")
	})
}

// The callers are cut off from the host of one instance. The registry sees nothing of it.
func TestCallerCutOff(t *testing.T)     { runDrill(t, &plain, true, callerCutOff) }
func TestHTTPCallerCutOff(t *testing.T) { runDrill(t, &plain, true, callerCutOff, "-http") }

func callerCutOff(d *drillRun) {
	cut := time.Now()
	d.do("cut", d.lab.Cut(callerHost, victimHost))
	d.lost(victimHost, d.address(victimHost), cut, 40*enough)
	healed := time.Now()
	d.do("heal", d.lab.Heal())
	d.returned(victimHost, healed)
}

// The leader and another server are cut off from each other. Both are seen by the third.
func TestServersCutOff(t *testing.T) {
	runDrill(t, &plain, false, func(d *drillRun) {
		leader := d.leader("")
		other := "n1"
		if leader == other {
			other = "n2"
		}
		d.do("cut", d.lab.Cut(leader, other))
		d.load.awaitAnswers(d.T, 4*enough, d.addresses(instanceHosts...)...)
		d.do("heal", d.lab.Heal())
		d.awaitWhole(d.T)
		d.load.awaitAnswers(d.T, enough, d.addresses(instanceHosts...)...)
	})
}

// An instance's own agent is killed and comes back with nothing.
func TestAgentRestartedEmpty(t *testing.T) {
	runDrill(t, &plain, false, func(d *drillRun) {
		id := d.nodeID(victimHost)
		d.do("kill the agent", d.cluster.Kill(victimHost))
		d.load.awaitAnswers(d.T, enough, d.others(victimHost)...)
		started := time.Now()
		d.do("start it empty", d.reset(d.Context(), victimHost, id))
		d.awaitAgentHas(victimHost, d.address(victimHost))
		d.time("registered", time.Since(started))
		d.awaitPassing(victimHost)
		d.returned(victimHost, started)
	})
}

// The callers' own agent is killed and comes back with nothing.
func TestCallersAgentRestartedEmpty(t *testing.T) {
	runDrill(t, &plain, false, func(d *drillRun) {
		id := d.nodeID(callerHost)
		d.do("kill the agent", d.cluster.Kill(callerHost))
		d.load.awaitAnswers(d.T, enough, d.addresses(instanceHosts...)...)
		d.do("start it empty", d.reset(d.Context(), callerHost, id))
		d.awaitWhole(d.T)
		d.load.awaitAnswers(d.T, enough, d.addresses(instanceHosts...)...)
	})
}

// The link of an instance's host is slow and loses packets; the registry's agents use it too.
func TestLinkOfInstance5(t *testing.T)  { slowLink(t, victimHost, 0.05) }
func TestLinkOfInstance20(t *testing.T) { slowLink(t, victimHost, 0.20) }

// The link of the callers' host is, so that no instance is better than another.
func TestLinkOfCallers5(t *testing.T)  { slowLink(t, callerHost, 0.05) }
func TestLinkOfCallers20(t *testing.T) { slowLink(t, callerHost, 0.20) }

func slowLink(t *testing.T, host string, loss float64) {
	t.Helper()
	runDrill(t, &plain, true, func(d *drillRun) {
		d.do("impair", d.lab.Impair(host, netns.Link{Delay: 50 * time.Millisecond, Loss: loss}))
		d.load.awaitTotal(d.T, 2*enough, d.others(victimHost)...)
		repaired := time.Now()
		d.do("repair", d.lab.Repair(host))
		d.returned(victimHost, repaired)
	})
}

// All processes of a host stand still, and go on.
func TestHostFrozen(t *testing.T)     { runDrill(t, &plain, false, hostFrozen) }
func TestHTTPHostFrozen(t *testing.T) { runDrill(t, &plain, false, hostFrozen, "-http") }

func hostFrozen(d *drillRun) {
	frozen := time.Now()
	d.do("freeze", d.freeze(victimHost))
	d.lost(victimHost, d.address(victimHost), frozen, 40*enough)
	woken := time.Now()
	d.do("wake", d.thaw(victimHost))
	d.returned(victimHost, woken)
}

// An agent leaves the cluster as it should, and an instance drains.
func TestLeave(t *testing.T) {
	runDrill(t, &plain, false, func(d *drillRun) {
		asked := time.Now()
		address := d.address(victimHost)
		d.endInstance(victimHost)
		d.do("leave", d.cluster.Stop(d.Context(), victimHost))
		d.lost(victimHost, address, asked, enough)
		started := time.Now()
		d.do("bring both back", d.mend(d.Context()))
		d.awaitPassing(victimHost)
		d.returned(victimHost, started)
	})
}

// endInstance asks an instance to end, which it does cleanly.
func (d *drillRun) endInstance(name string) {
	d.Helper()
	s, i := d.system, d.running()[name]
	i.process.Terminate()
	<-i.process.Done()
	if exit := i.process.Exit(); exit.Code != 0 {
		d.Errorf("the instance ended with %v, want a clean end", exit)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.instances, name)
}

// killInstanceOnly kills an instance, which mend starts anew.
func (d *drillRun) killInstanceOnly(name string) {
	i := d.running()[name]
	i.process.Kill()
	<-i.process.Done()
}

// awaitPassing waits until the instance is one that calls may be sent to.
func (d *drillRun) awaitPassing(name string) {
	d.Helper()
	address := d.address(name)
	d.await(d.T, name+" passes", func(known discovery.Snapshot) bool { return usable(known, address) })
}

// awaitAgentHas waits until a host's own agent knows the instance, be it that the cluster does or not.
func (d *drillRun) awaitAgentHas(host, address string) {
	d.Helper()
	ctx, cancel := context.WithTimeout(d.Context(), patience)
	defer cancel()
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for {
		known, err := d.registeredWith(ctx, host)
		if err == nil && slices.Contains(known, address) {
			return
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			d.Fatalf("the agent of %s has no instance at %s within %v: %v, %v", host, address, patience, known, err)
		}
	}
}
