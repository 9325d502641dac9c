// SPDX-License-Identifier: GPL-2.0-or-later

package simnet

import "time"

// A Queue holds what is due at some virtual time: deliveries, wake-ups. What is
// due at the same time leaves in the order in which it came, so a run does not
// depend on the heap. The zero Queue is empty and ready to use. It allocates
// only to grow, and is not safe for concurrent use.
type Queue[T any] struct {
	heap []due[T]
	seq  uint64
}

type due[T any] struct {
	at   time.Duration
	seq  uint64
	item T
}

func (a *due[T]) before(b *due[T]) bool {
	return a.at < b.at || a.at == b.at && a.seq < b.seq
}

// Len returns how many items q holds.
func (q *Queue[T]) Len() int { return len(q.heap) }

// Push adds an item that is due at a time since the start of the simulation.
func (q *Queue[T]) Push(at time.Duration, item T) {
	q.heap = append(q.heap, due[T]{at, q.seq, item})
	q.seq++
	h := q.heap
	for i := len(h) - 1; i > 0; {
		parent := (i - 1) / 2
		if !h[i].before(&h[parent]) {
			break
		}
		h[i], h[parent] = h[parent], h[i]
		i = parent
	}
}

// Next returns when the first item is due. It is not ok if there is none.
func (q *Queue[T]) Next() (at time.Duration, ok bool) {
	if len(q.heap) == 0 {
		return 0, false
	}
	return q.heap[0].at, true
}

// Pop removes the first item and returns it. The queue must not be empty.
func (q *Queue[T]) Pop() T {
	h := q.heap
	item, last := h[0].item, len(h)-1
	h[0] = h[last]
	h[last] = due[T]{} // keeps no reference
	h = h[:last]
	q.heap = h
	for i := 0; ; {
		first := i
		for child := 2*i + 1; child <= 2*i+2 && child < last; child++ {
			if h[child].before(&h[first]) {
				first = child
			}
		}
		if first == i {
			return item
		}
		h[i], h[first] = h[first], h[i]
		i = first
	}
}
