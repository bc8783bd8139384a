package command

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/spf13/cobra"

	"github.com/pandakit/panda/discovery"
)

// fakeRegistry answers from its fields; with hang it answers nothing before the caller gives up.
type fakeRegistry struct {
	snapshot discovery.Snapshot
	names    []string
	err      error
	hang     bool
}

func (f fakeRegistry) Announce(context.Context, discovery.Announcement) error {
	return errors.New("announcing is not for commands")
}

func (f fakeRegistry) Watch(ctx context.Context, service string, update func(discovery.Snapshot)) error {
	if !f.hang {
		s := f.snapshot
		s.Service, s.Registry = service, f.String()
		update(s)
		update(discovery.Snapshot{Service: "a later state"})
	}
	<-ctx.Done()
	return ctx.Err()
}

func (f fakeRegistry) Services(ctx context.Context) ([]string, error) {
	if f.hang {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return f.names, f.err
}

func (fakeRegistry) String() string { return "fake registry" }

func TestLookup(t *testing.T) {
	instances := []discovery.Instance{{ID: "a"}, {ID: "b", Checks: []discovery.Check{{Status: discovery.Critical}}}}
	got, err := Lookup(t.Context(), fakeRegistry{snapshot: discovery.Snapshot{Instances: instances}}, "hello")
	if err != nil || got.Service != "hello" || len(got.Instances) != 2 {
		t.Errorf("got %v, %v", got, err)
	}
	// Known from before, while the registry is away now.
	got, err = Lookup(t.Context(), fakeRegistry{snapshot: discovery.Snapshot{Instances: instances, Err: errors.New("away")}}, "hello")
	if err != nil || got.Err == nil || len(got.Instances) != 2 {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestLookupOfAnUnknownService(t *testing.T) {
	_, err := Lookup(t.Context(), fakeRegistry{names: []string{"hello", "web"}}, "helo")
	missing, ok := errors.AsType[*discovery.NotFoundError](err)
	if !ok || !slices.Equal(missing.Near, []string{"hello"}) || ExitCode(err) != ExitFailed || Advice(err) == "" {
		t.Errorf("got %v", err)
	}
	_, err = Lookup(t.Context(), fakeRegistry{err: errors.New("away")}, "helo")
	if _, ok := errors.AsType[*discovery.NotFoundError](err); !ok {
		t.Errorf("without names: got %v", err)
	}
}

func TestLookupInAnUnreachableRegistry(t *testing.T) {
	refused := errors.New("connection refused")
	_, err := Lookup(t.Context(), fakeRegistry{snapshot: discovery.Snapshot{Err: refused}}, "hello")
	if _, ok := errors.AsType[*discovery.UnreachableError](err); !ok || !errors.Is(err, refused) || Advice(err) != startRegistry {
		t.Errorf("got %v", err)
	}
}

func TestAHangingRegistryIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, err := Lookup(t.Context(), fakeRegistry{hang: true}, "hello")
		if _, ok := errors.AsType[*discovery.UnreachableError](err); !ok || !strings.HasSuffix(err.Error(), "no answer within 5s") || Advice(err) != startRegistry {
			t.Errorf("lookup: got %v", err)
		}
		_, err = Services(t.Context(), fakeRegistry{hang: true})
		if err == nil || err.Error() != "list services: fake registry did not answer within 5s" || Advice(err) != startRegistry {
			t.Errorf("services: got %v", err)
		}
	})
}

func TestInterruptedQuestions(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Lookup(ctx, fakeRegistry{hang: true}, "hello")
	if err == nil || err.Error() != `look up service "hello": interrupted` {
		t.Errorf("got %v", err)
	}
	_, err = Services(ctx, fakeRegistry{hang: true})
	if err == nil || err.Error() != "list services: interrupted" {
		t.Errorf("got %v", err)
	}
}

func TestRegistryOfAWrongVariable(t *testing.T) {
	env := &Env{Getenv: func(name string) string {
		if name == "CONSUL_HTTP_ADDR" {
			return "http://[::1"
		}
		return ""
	}}
	if _, err := Registry(env); ExitCode(err) != ExitUsage || !strings.Contains(err.Error(), "http://[::1") {
		t.Errorf("got %v", err)
	}
	cmd := &cobra.Command{}
	cmd.SetContext(t.Context())
	if names, _ := CompleteService(env)(cmd, nil, ""); names != nil {
		t.Errorf("completed %q", names)
	}
}
