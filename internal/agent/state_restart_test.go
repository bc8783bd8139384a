package agent_test

import (
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/pandakit/panda/internal/agent"
)

// TestKeysAndSessionsSurviveARestart holds that locks stay with their holders, who have a full new TTL to come back.
func TestKeysAndSessionsSurviveARestart(t *testing.T) {
	cfg := agent.Config{DataDir: t.TempDir(), SessionTTLMin: 50 * time.Millisecond}
	a := start(t, cfg)
	stays := a.session(t, &api.SessionEntry{Name: "stays", LockDelay: time.Nanosecond})
	expires := a.session(t, &api.SessionEntry{Name: "expires", TTL: "500ms", LockDelay: time.Nanosecond})
	a.held(t, "stays", stays)
	a.held(t, "expires", expires)
	before, index := a.key(t, "stays", 0)
	a.stop()
	b := start(t, cfg)
	if after, _ := b.key(t, "stays", 0); after == nil || after.Session != stays || after.ModifyIndex != before.ModifyIndex || after.LockIndex != 1 || string(after.Value) != "held" {
		t.Errorf("after the restart: %+v, before: %+v", after, before)
	}
	if entry, _, err := b.client.Session().Info(stays, nil); err != nil || entry == nil || entry.Name != "stays" {
		t.Errorf("session: %+v, %v", entry, err)
	}
	b.keyUntil(t, "expires", free)
	if ok, _, err := b.client.KV().CAS(&api.KVPair{Key: "stays", ModifyIndex: before.ModifyIndex, Value: []byte("new")}, nil); err != nil || !ok {
		t.Errorf("check-and-set with what was told before: %v, %v", ok, err)
	}
	if _, next := b.key(t, "stays", index); next <= index {
		t.Errorf("index %d after %d", next, index)
	}
}
