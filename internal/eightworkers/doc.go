// Command eightworkers is what zecpower is measured against: the plainest program that starts a fleet
// and verifies it. Eight goroutines start the instances of a file, 100 a request, then describe 100 a
// request until each is RUNNING. It has no budget, retry, diagnosis, report or store: the first error
// ends it.
//
//	ZENLAYER_ACCESS_KEY_ID=demo ZENLAYER_ACCESS_KEY_SECRET=demo eightworkers ENDPOINT FILE POLL_INTERVAL
package main
