// Package calendar holds sets of dates, which schedules exclude, include or run on alone: single
// days, ranges, yearly dates, recurrence rules, and the events of iCalendar files.
//
// Contract. The package is pure: it is given the content of files and the present time, and reads
// neither. A [Calendar] is immutable and safe for concurrent use. A file that cannot be understood
// is refused with its line, because a holiday missed without a word would power a fleet on; what
// programs are known to write against the standard is read, with a warning. What recurs is computed
// up to a horizon. What a hostile file may cost in memory and time is bounded.
package calendar
