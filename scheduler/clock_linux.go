package scheduler

import (
	"syscall"
	"time"
	"unsafe"
)

// The clock ids of linux/time.h. CLOCK_BOOTTIME counts suspend, CLOCK_MONOTONIC does not.
const (
	clockMonotonic = 1
	clockBoottime  = 7
)

// suspended returns how long the machine has spent in suspend since it booted; 0 where a clock
// cannot be read. The two clocks are read one after the other, so the value is microseconds off.
// drift ignores differences of that size.
func suspended() time.Duration {
	mono, ok := kernelClock(clockMonotonic)
	boot, ok2 := kernelClock(clockBoottime)
	if !ok || !ok2 {
		return 0
	}
	return boot - mono
}

// kernelClock reads one of the kernel's clocks; false where the kernel does not have it.
func kernelClock(id uintptr) (time.Duration, bool) {
	var ts syscall.Timespec
	_, _, errno := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, id, uintptr(unsafe.Pointer(&ts)), 0) //nolint:gosec // the kernel's own struct, no other way without a dependency
	return time.Duration(ts.Nano()), errno == 0
}
