//go:build !race

package batcher_test

// defaultSeeds is what fits into an everyday go test.
const defaultSeeds = 250
