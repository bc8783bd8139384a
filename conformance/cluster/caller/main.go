// Command caller puts the drill's service under load from the host that it runs on, through that host's own agent. It writes
// what it sees as lines of JSON, a cluster.Slot each, and ends when it is
// terminated. It never decides what is a success of a
// drill.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptrace"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/stats"

	"github.com/pandakit/panda"
	"github.com/pandakit/panda/conformance/cluster"
	"github.com/pandakit/panda/conformance/drill/drillpb"
)

func main() {
	readers := flag.Int("readers", 8, "callers of the method that may be repeated")
	writers := flag.Int("writers", 8, "callers of the method that may not")
	work := flag.Duration("work", 5*time.Millisecond, "what an instance does for a call")
	deadline := flag.Duration("deadline", 10*time.Second, "of each call")
	overHTTP := flag.Bool("http", false, "call by HTTP: GET may be repeated, POST may not")
	flag.Parse()
	seen := &recorder{out: json.NewEncoder(os.Stdout), slot: cluster.NewSlot(time.Now())}
	reach := seen.grpc
	if *overHTTP {
		reach = seen.http
	}
	read, write, end := reach(*work)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	var callers sync.WaitGroup
	for i := range *readers + *writers {
		call, writes := read, i >= *readers
		if writes {
			call = write
		}
		callers.Go(func() {
			for ctx.Err() == nil {
				seen.record(writes, *deadline, call)
			}
		})
	}
	callers.Go(func() { seen.flush(ctx) })
	callers.Wait()
	end()
	seen.mu.Lock()
	defer seen.mu.Unlock()
	seen.turn(time.Now())
}

// call makes one call, and returns the host:port of the instance that has answered.
type call func(context.Context) (by string, err error)

// grpc returns the two calls over gRPC, and what ends the client.
func (r *recorder) grpc(work time.Duration) (read, write call, end func()) {
	conn, err := panda.Dial("drill", panda.WithDialOptions(grpc.WithStatsHandler(r)))
	if err != nil {
		log.Fatal(err)
	}
	client, request := drillpb.NewDrillClient(conn), &drillpb.Request{WorkUs: uint32(work.Microseconds())}
	by := func(method func(context.Context, *drillpb.Request, ...grpc.CallOption) (*drillpb.Reply, error)) call {
		return func(ctx context.Context) (string, error) {
			var at peer.Peer
			if _, err := method(ctx, request, grpc.Peer(&at)); err != nil {
				return "", err
			}
			return at.Addr.String(), nil
		}
	}
	return by(client.Read), by(client.Write), func() {
		if err := conn.Close(); err != nil {
			log.Print(err)
		}
	}
}

// http returns them over HTTP.
func (r *recorder) http(work time.Duration) (read, write call, end func()) {
	client := panda.HTTPClient()
	url := fmt.Sprintf("http://drill.service.consul/work?us=%d", work.Microseconds())
	by := func(method string) call {
		return func(ctx context.Context) (string, error) {
			ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(c httptrace.GotConnInfo) {
				r.sent(c.Conn.RemoteAddr().String())
			}})
			request, err := http.NewRequestWithContext(ctx, method, url, http.NoBody)
			if err != nil {
				return "", err
			}
			response, err := client.Do(request)
			if err != nil {
				return "", err
			}
			defer response.Body.Close()
			if response.StatusCode != http.StatusOK {
				return "", errors.New(response.Status)
			}
			by, err := io.ReadAll(response.Body)
			return string(by), err
		}
	}
	return by(http.MethodGet), by(http.MethodPost), client.CloseIdleConnections
}

// recorder writes a slot at a time. It is gRPC's stats.Handler, which is told where each attempt of a call goes.
type recorder struct {
	mu   sync.Mutex
	out  *json.Encoder
	slot *cluster.Slot
}

// now returns the slot of the present time. r.mu is held.
func (r *recorder) now() *cluster.Slot {
	if now := time.Now(); now.Sub(r.slot.Start) >= cluster.SlotLength {
		r.turn(now)
	}
	return r.slot
}

// turn writes the slot and begins another. r.mu is held.
func (r *recorder) turn(now time.Time) {
	if !r.slot.Empty() {
		if err := r.out.Encode(r.slot); err != nil {
			log.Fatal(err) // nobody counts any more
		}
	}
	r.slot = cluster.NewSlot(now.Truncate(cluster.SlotLength))
}

// flush writes the last slot of a time in which no more happens.
func (r *recorder) flush(ctx context.Context) {
	ticker := time.NewTicker(cluster.SlotLength)
	defer ticker.Stop()
	for ctx.Err() == nil {
		select {
		case <-ticker.C:
			r.mu.Lock()
			r.now()
			r.mu.Unlock()
		case <-ctx.Done():
		}
	}
}

// record makes one call.
func (r *recorder) record(write bool, deadline time.Duration, do call) {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	started := time.Now()
	by, err := do(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	slot := r.now()
	if write {
		slot.Writes++
	} else {
		slot.Reads++
	}
	if err != nil {
		slot.Failed = append(slot.Failed, cluster.Failure{Write: write, Started: started, Elapsed: time.Since(started), Error: err.Error()})
		return
	}
	slot.Answered[by]++
}

// HandleRPC notes where an attempt of a drill's call goes.
func (r *recorder) HandleRPC(_ context.Context, s stats.RPCStats) {
	header, ok := s.(*stats.OutHeader)
	if !ok || !strings.HasPrefix(header.FullMethod, "/drill.") {
		return
	}
	r.sent(header.RemoteAddr.String())
}

// sent notes that an attempt of a call goes to an instance.
func (r *recorder) sent(to string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now().Sent[to]++
}

// TagRPC implements stats.Handler.
func (r *recorder) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

// TagConn implements stats.Handler.
func (r *recorder) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

// HandleConn implements stats.Handler.
func (r *recorder) HandleConn(context.Context, stats.ConnStats) {}
