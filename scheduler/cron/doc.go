// Package cron reads cron specs and says at which nominal times they fire, in any time zone.
//
// Contract. The package is pure: no clock, no files, no goroutines. A [Timetable] is immutable and
// safe for concurrent use. Daylight saving is handled as cronie does it (see [Parse]), and a test
// compares every zone with a clock that is read minute by minute.
//
// robfig/cron is used as a parser and for its SpecSchedule on UTC times alone: its Next is wrong in
// zones with transitions, and its parser accepts specs that never fire.
package cron
