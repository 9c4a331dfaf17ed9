// Package web is what a running daemon says and hears over HTTP: webhooks, health, metrics
// and the read-only API on a TCP listener, and the control socket by which the command line
// steers it.
//
// When something fails here nothing that runs is changed. A pushed value is answered with
// 200 only after the daemon called it durable; whatever else happens (no room, no disk, a
// panic, a sender that went away) is an answer other than 200 or none, and then the sender
// sends again. A flood costs its senders their connections and turns: every table, queue,
// buffer and stream is bounded, and who waits longest for its own bytes makes room first.
//
// Nothing of a body is ever logged, and nothing is said about names to whom is not
// authenticated: see receivers.go.
package web
