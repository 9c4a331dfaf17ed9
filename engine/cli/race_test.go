//go:build race

package cli_test

// raceEnabled says that every process of a test is several times slower: what repeats itself
// many times does so less often.
const raceEnabled = true
