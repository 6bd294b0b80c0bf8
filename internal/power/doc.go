// Package power holds the words that all parts share when they speak of a run:
// its action, what became of each instance and why, and the report.
//
// Contract. The package is a leaf: plain values, no other package of ours. The
// words are the same in reports, logs, metrics and the store, and other people's
// scripts rely on them to the letter.
package power
