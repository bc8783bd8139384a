package inmemory_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/pandakit/panda/discovery/discoverytest"
	"github.com/pandakit/panda/discovery/inmemory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestContract(t *testing.T) {
	t.Parallel()
	discoverytest.Run(t, func(*testing.T) discoverytest.Harness {
		r := inmemory.New()
		return discoverytest.Harness{Registry: r, Put: r.Put, Forget: r.Remove, Disconnect: r.Disconnect, Reconnect: r.Reconnect}
	})
}
