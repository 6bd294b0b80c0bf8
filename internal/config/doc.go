// Package config reads schedules.yaml into checked values.
//
// Load reports every mistake at once, each with its file, line, column and remedy, and returns a
// Config only where there is none: nothing has to be checked again behind it. LoadRunnable differs in
// one thing: a file of ids that cannot be used refuses its group alone. Both open the configuration
// and the files it names, and nothing else; they keep no state, so a reload is another load. A Config
// is read-only after that and then safe for concurrent use; Group.IDs may be called from any
// goroutine.
package config
