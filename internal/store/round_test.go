package store

import (
	"fmt"
	"reflect"
	"testing"
)

// large is a round with n of each kind of item.
func large(n int) Round {
	r := Round{At: morning}
	for i := range n {
		name := fmt.Sprint("s-", i)
		r.Claims = append(r.Claims, Run{ID: name})
		r.Updates = append(r.Updates, Run{ID: name})
		r.Abandons = append(r.Abandons, Abandonment{Run: Run{ID: name}})
		r.Notes = append(r.Notes, Note{ID: name})
		r.Watermarks = append(r.Watermarks, Watermark{Schedule: name})
		r.Forget = append(r.Forget, name)
	}
	return r
}

func TestPartsHaveEverythingOnceInOrder(t *testing.T) {
	for _, n := range []int{0, 1, 4, 7, 10, 35} {
		whole := large(n)
		var joined Round
		parts := whole.Parts(10)
		for i, p := range parts {
			if p.size() > 10 {
				t.Errorf("%d of each: part %d has %d items", n, i, p.size())
			}
			if p.At.IsZero() != (i < len(parts)-1) {
				t.Errorf("%d of each: part %d of %d is decided through %v", n, i, len(parts), p.At)
			}
			joined.Claims = append(joined.Claims, p.Claims...)
			joined.Updates = append(joined.Updates, p.Updates...)
			joined.Abandons = append(joined.Abandons, p.Abandons...)
			joined.Notes = append(joined.Notes, p.Notes...)
			joined.Watermarks = append(joined.Watermarks, p.Watermarks...)
			joined.Forget = append(joined.Forget, p.Forget...)
			joined.At = p.At
		}
		if !reflect.DeepEqual(joined, whole) {
			t.Errorf("%d of each: the parts have %+v", n, joined)
		}
	}
}

func TestSmallRoundIsOnePart(t *testing.T) {
	if parts := large(2).Parts(12); len(parts) != 1 {
		t.Errorf("%d parts", len(parts))
	}
}

// A crash between two parts must lose no run, and must not skip a time.
func TestPartsHaveClaimsBeforeNotesAndWatermarksLast(t *testing.T) {
	noted, marked := false, false
	for i, p := range large(25).Parts(10) {
		if len(p.Claims)+len(p.Updates)+len(p.Abandons) > 0 && noted || len(p.Notes) > 0 && marked {
			t.Errorf("part %d comes too late: %+v", i, p)
		}
		noted, marked = noted || len(p.Notes) > 0, marked || len(p.Watermarks) > 0
	}
}
