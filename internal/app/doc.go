// Package app puts the parts together: a daemon that makes scheduled runs, and
// a single run by hand.
//
// Contract. [Daemon.Run] wires in one straight line and takes down in reverse
// order. A failure to remember (the store) never keeps a fleet off: it is told
// loudly and the run goes on. A configuration is put to use whole or not at
// all, and a run that is under way keeps the one it began with. What survives a
// crash is what internal/store/bolt holds; the next start resumes from there.
package app
