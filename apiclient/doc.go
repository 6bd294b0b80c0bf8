// Package apiclient speaks the Zenlayer Elastic Compute (ZEC) API: one call is
// one HTTP request.
//
// Contract. Nothing is retried here: a caller that wants another attempt makes
// another call, which is signed afresh. Every failure is an [*Error] that says
// which action failed, what the API answered, and its [Class], which says what a
// caller may do about it. A reply is read up to a fixed size, a
// redirect is an error (it would carry the signature elsewhere), and plain HTTP
// is spoken to loopback addresses only. A [Client] is safe for concurrent use
// and reuses its connections.
package apiclient
