//go:build !race

package app

// defaultWorlds is what fits into an everyday go test.
const defaultWorlds = 250
