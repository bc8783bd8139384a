package consulbuild

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// lockInterval is how often a waiting installation looks whether the other has ended.
const lockInterval = 100 * time.Millisecond

// lock takes the lock file at path, which the system releases when the process dies, and returns what
// releases it. While another holds it, it calls waits once and tries again until ctx ends.
func lock(ctx context.Context, path string, waits func()) (release func() error, err error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644) //nolint:gosec // others of the machine may build there too
	if err != nil {
		return nil, explain("open the lock of Consul's build", err, "")
	}
	ticker := time.NewTicker(lockInterval)
	defer ticker.Stop()
	for tries := 0; ; tries++ {
		locked, err := tryLock(file)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("lock the build of Consul: %w", err), file.Close())
		}
		if locked {
			return file.Close, nil
		}
		if tries == 0 {
			waits()
		}
		select {
		case <-ctx.Done():
			_ = file.Close() // nothing was written to it
			return nil, fmt.Errorf("wait for another build of Consul: interrupted: %w", context.Cause(ctx))
		case <-ticker.C:
		}
	}
}
