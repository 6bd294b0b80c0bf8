// Package zecsim is a simulated ZEC API that behaves, and misbehaves, as the real one is known to:
// signatures, limits of a request, two ways of treating a bad id, states with boot times, fleets
// whose instances join and leave, pages without an order, throttling, latency and faults. Tests
// drive it over in-memory connections, the simulate command serves it over TCP or TLS, and the demo
// runs on it.
//
// Contract.
//
//   - A [Simulator] is an [http.Handler], safe for concurrent use. It starts no goroutine and no
//     timer of its own, and holds no lock while it waits, so it works in a testing/synctest bubble.
//     States are computed from the clock when they are asked for, so a fleet costs memory and
//     nothing else. What other actors do to an instance is carried out then, too, as though each
//     act had been done at its moment.
//   - A request is judged, and takes effect, at the moment it arrives; latency and slow faults
//     delay the reply alone. A client that gives up has therefore often been obeyed.
//   - Every random choice follows from the seed and from what is asked: the n-th request with the
//     same action and body meets the same fate in every run, whatever order concurrent requests
//     arrive in. The bound of a fault's Times alone counts in the order of arrival.
//   - Nothing survives a restart, and no secret is ever logged or sent.
//
// [Simulator.Truth], [Simulator.Instance], [Simulator.Instances], [Simulator.Described] and
// [Simulator.Requests] report what really happened, so that a test can compare a client's report
// with it.
//
// Codes of malformed requests (INVALID_PARAMETER_…) and of malformed credentials are ours: the
// reference documents the prefix alone.
package zecsim
