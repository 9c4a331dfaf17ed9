// Package scenario runs the tests of a configuration: files named *.test.hcl, whose run
// blocks say what sources bring and what targets hold, and what is then to be planned and
// done.
//
// A run goes through the same engine as plan and apply. What is replaced is the world: every
// kind of source, rule and sink that would reach out has a stand-in (Kind.StandIn), the state
// is in memory, files are written into a map, and time is what the run says. So a test starts
// no program, sends no request, writes no file, waits for nothing, and does the same on every
// machine.
//
// When something in a test is wrong (it names what is not declared, a source is not mocked)
// that run is an error with its place, and the others go on. Only a configuration or a test
// file that cannot be read keeps all runs from being tried.
package scenario
