// Package app wires the parts together: a daemon that makes scheduled runs, and a single run by
// hand.
//
// Contract. [Daemon.Run] starts the parts in one straight line and stops them in reverse order. A
// store that cannot be written never keeps a fleet off: it is logged as an error and the run goes
// on. A configuration is put to use whole or not at all, and a run in progress keeps the one it
// began with. What survives a crash is what internal/store keeps; the next start resumes from
// there.
package app
