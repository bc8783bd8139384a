package control

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/pandakit/panda/internal/cluster"
)

const (
	dialTimeout = 2 * time.Second
	maxAnswer   = 4 << 20
)

// Client talks to the cluster that runs. Its methods may be called from several goroutines.
type Client struct {
	description Description
	http        *http.Client
}

// Connect returns a client of the user's cluster. The errors are [ErrNone] and [ErrStale].
func Connect(folder string) (*Client, error) {
	d, err := Find(folder)
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{Timeout: dialTimeout}
	return &Client{*d, &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, d.Network, d.Address)
		},
	}}}, nil
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
	body, err := json.Marshal(r)
	if err != nil {
		return "", err
	}
	var out string
	err = c.call(ctx, http.MethodPost, "/v1/do", body, &out)
	return out, err
}

func (c *Client) call(ctx context.Context, method, path string, body []byte, out any) error {
	if c.description.Network == "" {
		return &Error{Text: "the cluster is being started or ended; try again in a moment", Refused: true}
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://cluster"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+c.description.Token)
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("ask the cluster of process %d: %w", c.description.PID, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("ask the cluster of process %d: %w", c.description.PID, err)
	}
	if resp.StatusCode == http.StatusOK {
		return json.Unmarshal(text, out)
	}
	told := new(Error)
	if err := json.Unmarshal(text, told); err != nil || told.Text == "" {
		return fmt.Errorf("ask the cluster of process %d: it answers %s", c.description.PID, resp.Status)
	}
	return told
}
