package batcher

import "zecpower/internal/power"

// resultPiece is how many results are made at once, at most.
const resultPiece = 256

// results are those of a run, by the index of the instance. They are made in pieces as instances
// become final: what is open needs its room as a work.
type results struct {
	n      int
	pieces [][]power.InstanceResult
}

func newResults(n int) results {
	return results{n, make([][]power.InstanceResult, requests(n, resultPiece))}
}

// open reports whether instance i has no outcome yet.
func (r *results) open(i int) bool { return r.at(i).Outcome == "" }

// at is the result of instance i; zero while it is open.
func (r *results) at(i int) power.InstanceResult {
	if piece := r.pieces[i/resultPiece]; piece != nil {
		return piece[i%resultPiece]
	}
	return power.InstanceResult{}
}

func (r *results) set(i int, result power.InstanceResult) {
	piece := &r.pieces[i/resultPiece]
	if *piece == nil {
		*piece = make([]power.InstanceResult, min(resultPiece, r.n-i/resultPiece*resultPiece))
	}
	(*piece)[i%resultPiece] = result
}

// take lists the results of some instances, in order. Where none is taken twice, pieces are dropped
// as they have been taken.
func (r *results) take(of []int, once bool) []power.InstanceResult {
	all := make([]power.InstanceResult, 0, len(of))
	for _, i := range of {
		all = append(all, r.at(i))
		if once && i%resultPiece == resultPiece-1 {
			r.pieces[i/resultPiece] = nil
		}
	}
	return all
}
