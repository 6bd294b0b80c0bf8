// Package storetest is the suite that every implementation of store.Store passes.
//
// Contract. [Run] makes places for stores with the function that it is given, and holds each
// implementation to what store.Store promises: every write lost, applied but unreported, or cut
// short, and repeated; a restart after every write; claims of several processes' goroutines at
// once; retention; readers beside writers. What only an implementation with a file can suffer is
// tested where its [Place] can do it.
package storetest
