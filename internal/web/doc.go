// Package web serves HTTP: metrics, health and a landing page on the web address, and the commands
// that ask a running daemon on a Unix socket beside its state.
//
// Contract. [Start] and [StartControl] have bound their address when they return. Stop joins every
// goroutine that they started, within the time that its context allows, and may be called twice.
// [Server.Done] is closed when serving ends, by Stop or by itself. No client can hold a server:
// each phase of a request has a timeout, sizes and connections are bounded, and a connection beyond
// the bound replaces the one that has been without a request longest. Neither passwords nor hashes
// of the web configuration file reach a log or an error. Everything is safe for concurrent use.
// Nothing survives a crash, except a control socket without a listener, which the next start
// removes.
package web
