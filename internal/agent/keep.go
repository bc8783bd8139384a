package agent

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/pandakit/panda/internal/agent/catalog"
	"github.com/pandakit/panda/internal/agent/store"
	"github.com/pandakit/panda/internal/agent/uuid"
	"github.com/pandakit/panda/internal/consulwire"
)

// keeper is the agent's state and, with a data dir, what makes it last.
type keeper struct {
	catalog *catalog.Catalog
	settle  func(context.Context, uint64) error // nil when nothing is kept
	failed  <-chan struct{}                     // never closed when nothing is kept
	err     func() error
	close   func() error
}

// keep returns the state that the data dir has, or an empty one, with what a Consul server knows of itself.
func keep(cfg *Config) (*keeper, error) {
	if cfg.DataDir == "" {
		// An agent that starts anew begins above the indexes of its former lives, so that a client that
		// waits on an old one learns what is true now. Microseconds outrun any rate of writes, and such an
		// index is still exact where numbers are floating point.
		k := &keeper{catalog: catalog.New(uint64(time.Now().UnixMicro())), close: func() error { return nil }}
		return k, introduce(k.catalog, cfg, cmp.Or(cfg.NodeID, uuid.New()))
	}
	s, err := store.Open(cfg.DataDir, cfg.Logger)
	if err != nil {
		return nil, err
	}
	s.Catalog().SetJournal(&toldJournal{Journal: s, logger: cfg.Logger})
	k := &keeper{catalog: s.Catalog(), settle: s.Settle, failed: s.Failed(), err: s.Err, close: s.Close}
	if err := introduce(k.catalog, cfg, cmp.Or(cfg.NodeID, s.NodeID())); err != nil {
		_ = k.close() // the first error tells why
		return nil, err
	}
	return k, nil
}

// introduce writes into the catalog what a Consul server knows of itself.
func introduce(state *catalog.Catalog, cfg *Config, id string) error {
	err := state.Write(func(w *catalog.Writer) error {
		if err := w.SetNode(node(cfg, id)); err != nil {
			return err
		}
		if err := takeOver(w, cfg.Node, id); err != nil {
			return err
		}
		if err := w.SetInstance(server(cfg)); err != nil {
			return err
		}
		return w.SetCheck(&catalog.Check{HealthCheck: consulwire.HealthCheck{
			Node: cfg.Node, CheckID: consulwire.SerfHealth, Name: "Serf Health Status",
			Status: consulwire.Passing, Output: "Agent alive and reachable",
		}})
	})
	if err != nil {
		return fmt.Errorf("configure agent: %w", err)
	}
	return nil
}

// takeOver moves what was registered with the agent while its node had another name, and removes the node of that name,
// as Consul does: the ID says that it is the same agent.
func takeOver(w *catalog.Writer, name, id string) error {
	for _, old := range w.Nodes() {
		if old.ID != id || strings.EqualFold(old.Node, name) {
			continue
		}
		instances, checks := w.NodeInstances(old.Node), w.NodeChecks(old.Node)
		w.DeleteNode(old.Node)
		for _, i := range instances {
			if !i.Local {
				continue
			}
			own := *i
			own.Node = name
			if err := w.SetInstance(&own); err != nil {
				return err
			}
		}
		for _, c := range checks {
			if !c.Local {
				continue
			}
			own := *c
			own.Node = name
			if err := w.SetCheck(&own); err != nil {
				return err
			}
		}
	}
	return nil
}
