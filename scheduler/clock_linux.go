package scheduler

import (
	"syscall"
	"time"
	"unsafe"
)

// The clocks whose difference is the time spent in suspend: linux/time.h.
const (
	clockMonotonic = 1
	clockBoottime  = 7
)

// suspended is how long the machine has slept since it booted. Reading the two
// clocks one after the other puts microseconds of noise in it.
func suspended() time.Duration {
	mono, ok := readClock(clockMonotonic)
	boot, ok2 := readClock(clockBoottime)
	if !ok || !ok2 {
		return 0
	}
	return boot - mono
}

func readClock(id uintptr) (time.Duration, bool) {
	var ts syscall.Timespec
	_, _, errno := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, id, uintptr(unsafe.Pointer(&ts)), 0) //nolint:gosec // the kernel's own struct, no other way without a dependency
	return time.Duration(ts.Nano()), errno == 0
}
