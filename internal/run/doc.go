// Package run takes one run from what it wants to what became of it.
//
// Contract. A [Run] is a value: it is made by its caller, its groups are filled in by the first
// stages, and after its beginning it never changes. An edited schedule makes new runs.
//
// A run's way is one literal: see [Maker.stages]. [Maker.Prepare] goes it up to the beginning, which
// the caller records; [Prepared.Make] goes the rest. [Maker.Plan] goes the same way and stops where
// something would be sent.
//
// A run that is resumed keeps the ids with which it began, and what is final of them. A group that
// cannot be resolved fails alone. The outcomes always add up to the total.
//
// An [Outbox] takes what the runs have done and writes it to the store. It never holds up a run.
//
// A Maker and an Outbox are safe for concurrent use.
package run
