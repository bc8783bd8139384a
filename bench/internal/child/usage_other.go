//go:build !unix

package child

import "time"

func processorTime() time.Duration { return 0 }
