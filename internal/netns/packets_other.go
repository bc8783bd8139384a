//go:build !linux

package netns

import (
	"fmt"
	"runtime"
)

// openPackets is out of reach: there is no lab to open an interface of.
func openPackets(space, device string) (packetSocket, error) {
	return nil, fmt.Errorf("open interface %s of %s: network namespaces are Linux's, and this is %s", device, space, runtime.GOOS)
}
