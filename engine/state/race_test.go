//go:build race

package state

// raceEnabled makes tests smaller that are many times slower with the race detector.
const raceEnabled = true
