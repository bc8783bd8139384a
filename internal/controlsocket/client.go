package controlsocket

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

const (
	dialTimeout = 2 * time.Second // how long a program that runs may take to be reached
	maxAnswer   = 16 << 20        // in bytes
)

// Listens reports whether somebody takes connections there.
func (p Place) Listens() bool {
	conn, err := net.DialTimeout(p.Network, p.Address, dialTimeout) //nolint:noctx // bounded
	if err != nil {
		return false
	}
	_ = conn.Close() // it was only to be seen
	return true
}

// Client asks a server. It keeps no connection between requests. Its methods may be called from several goroutines.
type Client struct {
	token string
	http  *http.Client
}

// NewClient returns a client of the server at a place. It connects to nothing yet.
func NewClient(p Place) *Client {
	dialer := &net.Dialer{Timeout: dialTimeout}
	return &Client{p.Token, &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, p.Network, p.Address)
		},
		DisableKeepAlives: true,
	}}}
}

// Send returns an answer that is good; the caller closes its body. told is a pointer to an error that is read from an answer that is
// not, and returned; its text is empty until then. Other errors are those of the connection, or of ctx.
func (c *Client) Send(ctx context.Context, method, path string, in any, told error) (*http.Response, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://panda"+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	response, err := c.http.Do(request)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, cause(err)
	}
	if response.StatusCode == http.StatusOK {
		return response, nil
	}
	defer response.Body.Close()
	if json.NewDecoder(io.LimitReader(response.Body, maxAnswer)).Decode(told) != nil || told.Error() == "" {
		return nil, fmt.Errorf("it answers %s", response.Status)
	}
	return nil, told
}

// Do sends a request as Send does and reads its answer; out may be nil.
func (c *Client) Do(ctx context.Context, method, path string, in, out any, told error) error {
	response, err := c.Send(ctx, method, path, in, told)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if out == nil {
		out = new(struct{})
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, maxAnswer)).Decode(out); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	return nil
}

// cause strips the method and the made-up URL.
func cause(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}
