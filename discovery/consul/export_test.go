package consul

import (
	"context"
	"net"
)

// NewWithDial is New with connections that a test makes.
func NewWithDial(cfg Config, dial func(ctx context.Context, network, address string) (net.Conn, error)) (*Registry, error) {
	return newRegistry(cfg, dial)
}
