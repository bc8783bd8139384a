// Package freeport finds ports for test servers that have to be started again on the same one. It reserves nothing: who
// asks binds soon, and tries again when another was quicker.
package freeport

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"testing"
)

// The range lies below those from which systems take ports for outgoing connections (32768 and up on Linux, 49152 and
// up elsewhere): one of these would take the port of a server that is away for a moment.
const (
	lowest = 15000
	beyond = 32000
)

// Find returns n different ports that are free on 127.0.0.1 for TCP and UDP both.
func Find(t testing.TB, n int) []int {
	t.Helper()
	var ports []int
	var held []io.Closer // until all are found, so that they differ
	defer func() {
		for _, h := range held {
			_ = h.Close() // nobody has connected
		}
	}()
	for range 100 * n {
		if len(ports) == n {
			return ports
		}
		port := lowest + rand.IntN(beyond-lowest)
		stream, err := net.Listen("tcp", Local(port))
		if err != nil {
			continue
		}
		held = append(held, stream)
		if packets, err := net.ListenPacket("udp", Local(port)); err == nil {
			held = append(held, packets)
			ports = append(ports, port)
		}
	}
	t.Fatal(fmt.Errorf("find %d free ports of 127.0.0.1 from %d to %d: found %d", n, lowest, beyond-1, len(ports)))
	return nil
}

// Local returns the port's address on 127.0.0.1.
func Local(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
