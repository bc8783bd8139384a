package measure

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/pandakit/panda/bench/internal/child"
	"github.com/pandakit/panda/bench/internal/fleet"
)

// failVariable makes the test binary act as a server that cannot start.
const failVariable = "BENCH_TEST_FAIL"

func TestMain(m *testing.M) {
	if os.Getenv(failVariable) != "" {
		os.Exit(child.Serve(os.Stdin, os.Stdout, os.Stderr, func(context.Context) error {
			return errors.New("the address is taken")
		}))
	}
	goleak.VerifyTestMain(m)
}

func TestProbeTellsWhyAServerIsNotThere(t *testing.T) {
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	members := fleet.New(os.Environ())
	defer members.Close()
	process, err := members.Start(t.Context(), fleet.Command{Name: "hopeless", Path: path, Env: []string{failVariable + "=1"}})
	if err != nil {
		t.Fatal(err)
	}
	address, err := fleet.FreeAddress(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name, wait := range map[string]func() error{
		"probe":   func() error { return probe(t.Context(), process, address) },
		"connect": func() error { return connect(t.Context(), process, address) },
	} {
		if err := wait(); err == nil || !strings.Contains(err.Error(), "the address is taken") {
			t.Errorf("%s: error %v, want the server's own", name, err)
		}
	}
}

func TestDialUntilOpenEndsWithItsContext(t *testing.T) {
	address, err := fleet.FreeAddress(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if conn, err := dialUntilOpen(ctx, address); err == nil {
		t.Error(fmt.Errorf("connected to an address that nobody has: %w", conn.Close()))
	}
}
