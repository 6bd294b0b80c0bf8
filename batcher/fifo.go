package batcher

import "iter"

// fifoPiece is how many entries a piece of a fifo has, at most.
const fifoPiece = 256

// fifo is a queue, first in, first out, that needs room for what is in it alone: an array that grows
// and is cut at the front needs up to twice as much, and keeps it until the last entry has left.
type fifo[T any] struct{ pieces [][]T } // none is empty

// push adds x to the end.
func (q *fifo[T]) push(x T) {
	last := len(q.pieces) - 1
	if last >= 0 && len(q.pieces[last]) < cap(q.pieces[last]) {
		q.pieces[last] = append(q.pieces[last], x)
		return
	}
	size := 1 // most queues are short
	if last >= 0 {
		size = min(2*len(q.pieces[last]), fifoPiece)
	}
	q.pieces = append(q.pieces, append(make([]T, 0, size), x))
}

func (q *fifo[T]) empty() bool { return len(q.pieces) == 0 }

// front is the first entry. There is one.
func (q *fifo[T]) front() T { return q.pieces[0][0] }

// pop takes the first entry. There is one.
func (q *fifo[T]) pop() T {
	var zero T
	first := q.pieces[0]
	x := first[0]
	first[0] = zero // what it points to may be freed
	if q.pieces[0] = first[1:]; len(first) == 1 {
		q.pieces[0] = nil
		q.pieces = q.pieces[1:]
	}
	return x
}

// all lists the entries in their order.
func (q *fifo[T]) all() iter.Seq[T] {
	return func(yield func(T) bool) {
		for _, piece := range q.pieces {
			for _, x := range piece {
				if !yield(x) {
					return
				}
			}
		}
	}
}
