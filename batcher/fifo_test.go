package batcher

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// Against a plain slice.
func TestFifoKeepsTheOrder(t *testing.T) {
	const seed = 5
	r := rand.New(rand.NewPCG(seed, seed))
	var q fifo[*int]
	var want []*int
	for step := range 20000 {
		if grow := step/2000%2 == 0; len(want) == 0 || grow && r.IntN(4) > 0 || r.IntN(4) == 0 {
			x := new(int)
			q.push(x)
			want = append(want, x)
		} else {
			if got := q.front(); got != want[0] || q.pop() != got {
				t.Fatalf("seed %d, step %d: another entry is first", seed, step)
			}
			want = want[1:]
		}
		if q.empty() != (len(want) == 0) {
			t.Fatalf("seed %d, step %d: empty is %v with %d entries", seed, step, q.empty(), len(want))
		}
		if step%100 == 0 && !slices.Equal(slices.Collect(q.all()), want) {
			t.Fatalf("seed %d, step %d: the entries differ", seed, step)
		}
	}
}

// What has left may be freed, be it alone in its piece.
func TestFifoKeepsNoRoomForWhatHasLeft(t *testing.T) {
	var q fifo[int]
	for k := range 100 * fifoPiece {
		q.push(k)
	}
	for range 99 * fifoPiece {
		q.pop()
	}
	room := 0
	for _, piece := range q.pieces {
		room += cap(piece)
	}
	if room > 2*fifoPiece {
		t.Errorf("room for %d entries, of which %d are there", room, fifoPiece)
	}
}
