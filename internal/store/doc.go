// Package store says what must survive a crash, and what it means.
//
// [Store] is the interface: the scheduler claims runs through it, a run records its beginning, its
// progress and its end, and the commands read the history. An implementation keeps and finds
// records. What a record means (which change of a run counts, when two notes are one stretch, what
// an entry of the history shows) is plain Go in this package, the same for all implementations.
// Package storetest has the suite that each of them passes.
//
// Contract. A write that returned nil survives a crash and a power loss. Every write may be
// repeated without harm. An error means "not, or perhaps not, written"; the caller repeats the
// write, or goes on without the record. Everything is safe for concurrent use.
//
// The package is a leaf: plain types, and the words of internal/power.
package store
