package control

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/pandakit/panda/internal/cluster"
	"github.com/pandakit/panda/internal/controlsocket"
)

// Client talks to the cluster that runs. Its methods may be called from several goroutines.
type Client struct {
	description Description
	socket      *controlsocket.Client
}

// Connect returns a client of the user's cluster. The errors are [ErrNone] and [ErrStale].
func Connect(folder string) (*Client, error) {
	d, err := Find(folder)
	if err != nil {
		return nil, err
	}
	return &Client{*d, controlsocket.NewClient(d.Place)}, nil
}

// Description returns what the cluster tells of itself to those who find it.
func (c *Client) Description() Description { return c.description }

// Status asks how the cluster is.
func (c *Client) Status(ctx context.Context) (*cluster.Status, error) {
	s := new(cluster.Status)
	return s, c.call(ctx, http.MethodGet, "/v1/status", nil, s)
}

// Do has the cluster do something and returns its answer, which is "" to most requests. What the cluster refuses is an *[Error].
func (c *Client) Do(ctx context.Context, r Request) (string, error) {
	var out string
	err := c.call(ctx, http.MethodPost, "/v1/do", r, &out)
	return out, err
}

func (c *Client) call(ctx context.Context, method, path string, in, out any) error {
	if c.description.Network == "" {
		return &Error{Text: "the cluster is being started or ended; try again in a moment", Refused: true}
	}
	err := c.socket.Do(ctx, method, path, in, out, new(Error))
	if _, told := errors.AsType[*Error](err); err == nil || told {
		return err
	}
	return fmt.Errorf("ask the cluster of process %d: %w", c.description.PID, err)
}
