package zecsim

import (
	"cmp"
	"fmt"
	"slices"
)

// PageOrder is the order of the instances over the pages of a describe.
type PageOrder string

// The orders.
const (
	// OrderPosition is that of the fleet, or of the ids that a request names. The default.
	OrderPosition PageOrder = "position"
	// OrderShuffled is one that follows from the seed, the same for every request.
	OrderShuffled PageOrder = "shuffled"
)

// Pages say how describes put instances on pages. The API promises no order, so that a reader of
// several pages must reckon with an instance that comes twice or not at all; totalCount stays
// right.
type Pages struct {
	Order PageOrder // empty means OrderPosition
	// Moving is the share of the instances, 0 to 1, that stand anywhere else at each request. At 1
	// each page is drawn anew.
	Moving float64
}

func (p Pages) validate() error {
	switch {
	case p.Order != "" && p.Order != OrderPosition && p.Order != OrderShuffled:
		return fmt.Errorf("page order %q: use %s or %s", p.Order, OrderPosition, OrderShuffled)
	case !(p.Moving >= 0 && p.Moving <= 1):
		return fmt.Errorf("pages moving %v: use 0 to 1", p.Moving)
	}
	return nil
}

// reorder reports whether the order is another than the fleet's.
func (p Pages) reorder() bool { return p.Order == OrderShuffled || p.Moving > 0 }

// Numbers of their own for the two random choices about a place.
const shufflePlace, movePlace, newPlace = 1, 2, 3

// arrange puts positions into the order of one request's pages. Every instance has a place between
// 0 and 1, which a request may change for some: so the others keep their order among themselves.
func (s *Simulator) arrange(x *exchange, positions []int) {
	p := s.opts.Pages
	if !p.reorder() {
		return
	}
	type placed struct {
		position int
		place    float64
	}
	list := make([]placed, len(positions))
	for i, position := range positions {
		list[i] = placed{position, float64(position) / float64(len(s.fleet.instances))}
		if p.Order == OrderShuffled {
			list[i].place = uniform(s.opts.Seed, uint64(position), shufflePlace)
		}
		if p.Moving > 0 && uniform(x.order, uint64(position), movePlace) < p.Moving {
			list[i].place = uniform(x.order, uint64(position), newPlace)
		}
	}
	slices.SortStableFunc(list, func(a, b placed) int { return cmp.Compare(a.place, b.place) })
	for i, at := range list {
		positions[i] = at.position
	}
}
