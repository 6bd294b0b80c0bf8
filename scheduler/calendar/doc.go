// Package calendar holds sets of dates, which schedules exclude or include: single days, ranges,
// yearly dates, and the events of iCalendar files.
//
// Contract. The package is pure: it is given the content of files and reads none. A [Calendar] is
// immutable and safe for concurrent use. A file that cannot be understood is refused with its line:
// a holiday missed without a word would power a fleet on. What a hostile file may cost in memory
// and time is bounded.
package calendar
