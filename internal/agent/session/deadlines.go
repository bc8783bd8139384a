package session

import (
	"container/heap"
	"time"
)

// deadline is when a session ends unless it is renewed.
type deadline struct {
	id     string
	at     time.Time
	place  int  // in the queue
	ending bool // it is in the queue no more: the session is being ended
}

// deadlines are those of all sessions that have one. The zero value is empty.
type deadlines struct {
	byID  map[string]*deadline
	queue queue
}

// first returns the one that is due first, or nil.
func (d *deadlines) first() *deadline {
	if len(d.queue) == 0 {
		return nil
	}
	return d.queue[0]
}

// set sets a session's deadline, and reports whether it is now the first one.
func (d *deadlines) set(id string, at time.Time) bool {
	if known := d.byID[id]; known != nil {
		known.at = at
		heap.Fix(&d.queue, known.place)
		return known.place == 0
	}
	if d.byID == nil {
		d.byID = make(map[string]*deadline)
	}
	added := &deadline{id: id, at: at}
	d.byID[id] = added
	heap.Push(&d.queue, added)
	return added.place == 0
}

// end takes a deadline out of the queue until it is dropped.
func (d *deadlines) end(due *deadline) {
	heap.Remove(&d.queue, due.place)
	due.ending = true
}

// drop forgets a session's deadline.
func (d *deadlines) drop(id string) {
	known := d.byID[id]
	if known == nil {
		return
	}
	delete(d.byID, id)
	if !known.ending {
		heap.Remove(&d.queue, known.place)
	}
}

// queue is a heap of deadlines, the first one at its top.
type queue []*deadline

func (q queue) Len() int           { return len(q) }
func (q queue) Less(a, b int) bool { return q[a].at.Before(q[b].at) }

func (q queue) Swap(a, b int) {
	q[a], q[b] = q[b], q[a]
	q[a].place, q[b].place = a, b
}

// Push and Pop are for the heap alone.
func (q *queue) Push(item any) {
	added := item.(*deadline) //nolint:forcetypeassert // the heap is given nothing else
	added.place = len(*q)
	*q = append(*q, added)
}

func (q *queue) Pop() any {
	last := len(*q) - 1
	item := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	return item
}
