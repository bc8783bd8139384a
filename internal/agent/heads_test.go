package agent_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pandakit/panda/internal/agent"
)

// put sends a PUT of a key and returns the answer's status, or an error when there is none.
func put(ctx context.Context, r *running, key string) (int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPut, r.URL()+"/v1/kv/"+key, strings.NewReader("v"))
	if err != nil {
		return 0, err
	}
	answer, err := r.http.Do(request)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, answer.Body)
	_ = answer.Body.Close()
	return answer.StatusCode, err
}

func TestLongKeys(t *testing.T) {
	r := start(t, agent.Config{})
	for _, length := range []int{70_000, 1 << 20} {
		if got, err := put(t.Context(), r, strings.Repeat("k", length)); err != nil || got != http.StatusOK {
			t.Errorf("a key of %d bytes: %d, %v", length, got, err)
		}
	}
	// The connection is closed on what is left to read, which may come before the answer.
	if got, err := put(t.Context(), r, strings.Repeat("k", 1<<20+8192)); err == nil && got != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a key that is too long: %d", got)
	}
}

// TestManyLongHeads holds that the heads of requests take a bounded amount of memory, that short ones go on when long ones
// have taken it all, and that it is given back.
func TestManyLongHeads(t *testing.T) {
	const many, length, fit = 60, 900_000, 32 << 20 / (900_000 - 64<<10)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	r := start(t, agent.Config{})
	refused := make(chan error, many)
	var open []net.Conn
	for range many {
		c, err := new(net.Dialer).DialContext(ctx, "tcp", r.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, c)
		go func() { // it ends when the agent or the test closes the connection
			_, err := fmt.Fprintf(c, "GET /v1/kv/%s", strings.Repeat("k", length))
			if err == nil {
				_, err = bufio.NewReader(c).ReadString('\n')
			}
			refused <- err
		}()
	}
	for n := range many - fit - 1 {
		select {
		case <-refused:
		case <-ctx.Done():
			t.Fatalf("only %d of %d long heads were refused", n, many)
		}
	}
	if status, err := put(ctx, r, "short"); err != nil || status != http.StatusOK {
		t.Errorf("a short request: %d, %v", status, err)
	}
	for _, c := range open {
		_ = c.Close()
	}
	for range fit + 1 {
		<-refused
	}
	for {
		status, err := put(ctx, r, strings.Repeat("k", length))
		if err == nil && status == http.StatusOK {
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("a long request when the others are gone: %d, %v", status, err)
		}
	}
}
