// Package config reads schedules.yaml into checked values.
//
// Load reports every mistake at once, each with its file, line, column and remedy, and returns a
// Config only where there is none: nothing has to be checked again behind it. It opens the
// configuration and the files it names, and nothing else; it keeps no state, so a reload is another
// Load. A Config is read-only after Load and then safe for concurrent use; Group.IDs may be called
// from any goroutine.
package config
