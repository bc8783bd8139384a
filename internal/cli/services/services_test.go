package services

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"go.uber.org/goleak"

	"github.com/pandakit/panda/discovery"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// catalog is a registry of fixed instances by service; a service whose error is set cannot be looked up.
type catalog struct {
	names     []string
	instances map[string][]discovery.Instance
	errs      map[string]error
	refused   map[string]error // of names that no service can have
}

func (catalog) Announce(context.Context, discovery.Announcement) error {
	return errors.New("announcing is not for commands")
}

func (c catalog) Watch(ctx context.Context, service string, update func(discovery.Snapshot)) error {
	if err := c.refused[service]; err != nil {
		return err
	}
	update(discovery.Snapshot{Service: service, Registry: c.String(), Instances: c.instances[service], Err: c.errs[service]})
	<-ctx.Done()
	return ctx.Err()
}

func (c catalog) Services(context.Context) ([]string, error) { return slices.Clone(c.names), nil }

func (catalog) String() string { return "catalog" }

func TestList(t *testing.T) {
	c := catalog{instances: map[string][]discovery.Instance{}}
	var want []row
	for i := range 100 { // more than are asked about at once
		name := fmt.Sprintf("service%02d", i)
		c.names = append(c.names, name)
		if i%10 == 0 {
			continue // it leaves between its name being told and being asked about
		}
		c.instances[name] = []discovery.Instance{
			{ID: "a", Tags: []string{"v2", "grpc"}},
			{ID: "b", Tags: []string{"grpc"}, Checks: []discovery.Check{{Status: discovery.Warning}}},
		}
		want = append(want, row{Name: name, Instances: 2, Passing: 1, Tags: []string{"grpc", "v2"}})
	}
	got, err := list(t.Context(), c)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v\nwant %v", got, err, want)
	}
}

func TestListTellsOfANameThatCannotBeLookedUp(t *testing.T) {
	c := catalog{
		names:     []string{"hello", "team//svc"},
		instances: map[string][]discovery.Instance{"hello": {{ID: "a"}}},
		refused:   map[string]error{"team//svc": errors.New("it has two slashes")},
	}
	got, err := list(t.Context(), c)
	want := []row{{Name: "hello", Instances: 1, Passing: 1, Tags: []string{}}, {Name: "team//svc", Tags: []string{}, Error: "it has two slashes"}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, want)
	}
}

func TestListWhenTheRegistryGoesAway(t *testing.T) {
	away := errors.New("connection refused")
	c := catalog{
		names:     []string{"a", "b"},
		instances: map[string][]discovery.Instance{"a": {{ID: "a"}}},
		errs:      map[string]error{"b": away},
	}
	if rows, err := list(t.Context(), c); !errors.Is(err, away) {
		t.Errorf("got %v, %v", rows, err)
	}
}
