//go:build race

package app

// defaultWorlds is smaller under the race detector, which makes a morning ten times slower.
const defaultWorlds = 20
