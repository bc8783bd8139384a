package netns

import (
	"math/rand/v2"
	"time"
)

// maxUnderWay bounds the packets of one direction that are on their way; more are lost, as in the queue of any router.
const maxUnderWay = 4096

// maxPacket is the size of the largest packet, segments that the kernel has put together and the header before it included.
const maxPacket = 66 << 10

// passing is a packet on its way.
type passing struct {
	due   time.Time
	bytes []byte
}

// carry starts to carry one direction, until the sockets are closed.
func (r *relay) carry(from, to packetSocket) {
	queue := make(chan passing, maxUnderWay)
	r.done.Go(func() {
		defer close(queue)
		r.take(from, queue)
	})
	r.done.Go(func() { r.deliver(queue, to) })
}

func (r *relay) take(from packetSocket, queue chan<- passing) {
	buffer := make([]byte, maxPacket)
	var last time.Time
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		if r.link.Loss > 0 && rand.Float64() < r.link.Loss { //nolint:gosec // chance, no secret
			continue
		}
		due := time.Now().Add(r.link.Delay)
		if r.link.Jitter > 0 {
			due = due.Add(rand.N(r.link.Jitter)) //nolint:gosec // chance, no secret
		}
		if due.Before(last) {
			due = last
		}
		last = due
		select {
		case queue <- passing{due, append([]byte(nil), buffer[:n]...)}:
		default:
		}
	}
}

// deliver ends when the queue is closed or the relay ends; what is under way then is lost.
func (r *relay) deliver(queue <-chan passing, to packetSocket) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for p := range queue {
		timer.Reset(time.Until(p.due))
		select {
		case <-timer.C:
		case <-r.ended:
			return
		}
		_, _ = to.Write(p.bytes) // a packet that cannot be sent is lost, and the reader sees that a socket is closed
	}
}
