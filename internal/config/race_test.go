//go:build race

package config

// The race detector makes parsing some ten times slower and finds nothing in it, for there is one
// goroutine.
const (
	thousands = 1_000
	million   = 100_000
)
