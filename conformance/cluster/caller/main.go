// Command caller puts the drill's service under load from the host that it runs on, through that host's own agent. It writes
// what it sees as lines of JSON, a cluster.Slot each, and ends when it is
// terminated. It never decides what is a success of a
// drill.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"log"
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
	flag.Parse()
	seen := &recorder{out: json.NewEncoder(os.Stdout), slot: cluster.NewSlot(time.Now())}
	conn, err := panda.Dial("drill", panda.WithDialOptions(grpc.WithStatsHandler(seen)))
	if err != nil {
		log.Fatal(err)
	}
	client := drillpb.NewDrillClient(conn)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	request := &drillpb.Request{WorkUs: uint32(work.Microseconds())}
	var callers sync.WaitGroup
	for i := range *readers + *writers {
		write := i >= *readers
		call := client.Read
		if write {
			call = client.Write
		}
		callers.Go(func() {
			for ctx.Err() == nil {
				seen.record(write, *deadline, func(ctx context.Context, p *peer.Peer) error {
					_, err := call(ctx, request, grpc.Peer(p))
					return err
				})
			}
		})
	}
	callers.Go(func() { seen.flush(ctx) })
	callers.Wait()
	if err := conn.Close(); err != nil {
		log.Print(err)
	}
	seen.mu.Lock()
	defer seen.mu.Unlock()
	seen.turn(time.Now())
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
func (r *recorder) record(write bool, deadline time.Duration, call func(context.Context, *peer.Peer) error) {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	var at peer.Peer
	started := time.Now()
	err := call(ctx, &at)
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
	slot.Answered[at.Addr.String()]++
}

// HandleRPC notes where an attempt of a drill's call goes.
func (r *recorder) HandleRPC(_ context.Context, s stats.RPCStats) {
	header, ok := s.(*stats.OutHeader)
	if !ok || !strings.HasPrefix(header.FullMethod, "/drill.") {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now().Sent[header.RemoteAddr.String()]++
}

// TagRPC implements stats.Handler.
func (r *recorder) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

// TagConn implements stats.Handler.
func (r *recorder) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

// HandleConn implements stats.Handler.
func (r *recorder) HandleConn(context.Context, stats.ConnStats) {}
