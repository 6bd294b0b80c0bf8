//go:build !race

package config

const (
	thousands = 10_000
	million   = 1_000_000
)
