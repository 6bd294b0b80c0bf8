// Package nearest finds the word that a mistyped word most likely stands for. Error messages use it
// for their hints.
//
// It keeps no state and is safe for concurrent use. The work grows with the product of the two
// lengths. Word therefore gives up on words above 64 bytes. Callers of Distance bound the lengths,
// and callers that check thousands of words bound their number.
package nearest
