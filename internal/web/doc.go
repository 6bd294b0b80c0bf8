// Package web is what zecpower answers over HTTP: metrics, health and a landing
// page on the web address, and the commands that ask about a running daemon on
// a Unix socket beside its state.
//
// Contract. [Start] and [StartControl] have bound their address when they
// return; Stop joins every goroutine they started, within the time its context
// allows, and may be called twice. Serving that ends by itself closes Done. No
// client can hold a server: each phase of a request has a timeout, sizes and
// connections are bounded, and a connection too many takes the place of the one
// that has been without a request longest instead of being kept waiting. Neither the
// passwords nor the hashes of the web configuration file reach a log or an
// error. Everything is safe for concurrent use. Nothing here survives a crash,
// except a control socket that nobody answers on: the next start removes it.
package web
