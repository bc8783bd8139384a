// Package realconsul builds a real Consul through the Go toolchain and runs development agents of it, as the
// authority that tests of Panda are judged by. Nothing but Go and its module proxy is needed.
//
// It is test machinery: no program imports it, and it never touches an agent that it has not started.
package realconsul

import (
	"context"
	"os"

	"github.com/pandakit/panda/internal/consulbuild"
)

// Version is the Consul that is built: the one that "panda consul install" builds, and at the same place.
const Version = consulbuild.Version

// EnvBinary names the variable that has the path of a Consul to use instead of building one.
const EnvBinary = "PANDA_TEST_CONSUL"

// Binary returns the path of Consul's binary. The first call on a machine builds it, which takes some minutes,
// and keeps it in the user's cache; others that call meanwhile, in this process or another, wait for it.
func Binary(ctx context.Context) (string, error) {
	if path := os.Getenv(EnvBinary); path != "" {
		return path, nil
	}
	return consulbuild.Install(ctx, consulbuild.Config{Environ: os.Environ()})
}
