package panda

import (
	"context"
	"errors"
	"net"
	"sync"
)

// dials makes connections, and can give up those under way. A request that waits for one has been seen by nobody, so that it
// goes to another instance.
type dials struct {
	connect func(ctx context.Context, network, address string) (net.Conn, error)

	mu       sync.Mutex
	underway map[*dialing]struct{}
}

type dialing struct {
	address string
	giveUp  context.CancelCauseFunc
}

func newDials(dialer *net.Dialer) *dials {
	return &dials{connect: dialer.DialContext, underway: map[*dialing]struct{}{}}
}

// dial is for http.Transport.DialContext.
func (d *dials) dial(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	this := &dialing{address, cancel}
	d.mu.Lock()
	d.underway[this] = struct{}{}
	d.mu.Unlock()
	connection, err := d.connect(ctx, network, address)
	d.mu.Lock()
	delete(d.underway, this)
	d.mu.Unlock()
	if err != nil && errors.Is(context.Cause(ctx), errSilent) {
		err = &net.OpError{Op: "dial", Net: network, Err: errSilent}
	}
	return connection, err
}

// giveUp ends what is under way to the address.
func (d *dials) giveUp(address string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for one := range d.underway {
		if one.address == address {
			one.giveUp(errSilent)
		}
	}
}
