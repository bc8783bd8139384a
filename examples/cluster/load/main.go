// Command load calls the services of the cluster example without a pause, by name and over all three protocols, until it
// gets SIGTERM or SIGINT. Every second it prints how many calls each service has had at least, and at the end a line for
// each with calls, failed calls, and the slowest in milliseconds, all parted by tabs. The first failed calls are told as they
// happen. It registers nothing, makes no call twice, and hides no failure.
//
//	load [-callers 4] [-every 5ms]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/pandakit/panda"
	"github.com/pandakit/panda/examples/hellopb"
)

const (
	callTimeout = 10 * time.Second
	shown       = 10 // failures that are printed
)

func main() {
	callers := flag.Int("callers", 4, "how many call each service at once")
	every := flag.Duration("every", 5*time.Millisecond, "pause of a caller between two calls")
	flag.Parse()
	slog.SetLogLoggerLevel(slog.LevelWarn)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *callers, *every); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1) //nolint:gocritic // the process's end stops the signals too
	}
}

// call makes one call and says whether the answer is right.
type call func(ctx context.Context) error

func run(ctx context.Context, callers int, every time.Duration) error {
	conn, err := panda.Dial("hello")
	if err != nil {
		return err
	}
	defer conn.Close()
	rpc := panda.DialRPC("panda")
	defer func() { _ = rpc.Close() }() // the calls are over
	counts := []*count{
		{name: "hello over gRPC", call: greet(hellopb.NewHelloServiceClient(conn))},
		{name: "panda over net/rpc", call: add(rpc)},
		{name: "web over HTTP", call: visit(panda.HTTPClient())},
	}
	var running sync.WaitGroup
	for _, c := range counts {
		for range callers {
			running.Go(func() { c.callUntil(ctx, every) })
		}
	}
	tell(ctx, counts)
	running.Wait()
	for _, c := range counts {
		fmt.Printf("result\t%s\t%d\t%d\t%d\n", c.name, c.calls, c.failed, c.slowest.Milliseconds())
	}
	return nil
}

// tell prints every second how far it is, until ctx is done.
func tell(ctx context.Context, counts []*count) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		least := counts[0].made()
		for _, c := range counts[1:] {
			least = min(least, c.made())
		}
		fmt.Printf("calls\t%d\n", least)
	}
}

func greet(client hellopb.HelloServiceClient) call {
	return func(ctx context.Context) error {
		reply, err := client.SayHello(ctx, &hellopb.HelloRequest{Name: "熊猫"})
		if err == nil && reply.GetMsg() != "你好,熊猫" {
			err = fmt.Errorf("the answer is %q", reply.GetMsg())
		}
		return err
	}
}

func add(client *panda.RPCClient) call {
	return func(ctx context.Context) error {
		var reply int
		err := client.Call(ctx, "Panda.GetInfo", 1, &reply)
		if err == nil && reply != 101 {
			err = fmt.Errorf("the answer is %d", reply)
		}
		return err
	}
}

// visit asks for the page, which asks hello in turn.
func visit(client *http.Client) call {
	return func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://web.service.consul/?name=Panda", http.NoBody)
		if err != nil {
			return err
		}
		response, err := client.Do(request)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		page, err := io.ReadAll(response.Body)
		switch {
		case err != nil:
			return err
		case response.StatusCode != http.StatusOK:
			return errors.New(response.Status)
		case !strings.Contains(string(page), "你好,Panda"):
			return errors.New("the page has no greeting")
		}
		return nil
	}
}

// count is one service's calls and what became of them. Its methods may be called from several goroutines at once.
type count struct {
	name string
	call call

	mu      sync.Mutex
	calls   int
	failed  int
	slowest time.Duration
}

func (c *count) made() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls
}

func (c *count) callUntil(ctx context.Context, every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for ctx.Err() == nil {
		began := time.Now()
		// A call that has begun is finished, also when the load ends meanwhile.
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
		err := c.call(limited)
		c.add(err, time.Since(began))
		cancel()
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
}

func (c *count) add(err error, took time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls++
	c.slowest = max(c.slowest, took)
	if err == nil {
		return
	}
	if c.failed++; c.failed <= shown {
		fmt.Fprintf(os.Stderr, "%s  %s failed after %v: %v\n", time.Now().Format(time.TimeOnly), c.name, took.Round(time.Millisecond), err)
	}
}
