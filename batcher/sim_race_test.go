//go:build race

package batcher_test

// defaultSeeds is smaller under the race detector, which makes a run ten times slower.
const defaultSeeds = 40
