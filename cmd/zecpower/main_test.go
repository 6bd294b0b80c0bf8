package main

import (
	"flag"
	"os"
	"runtime"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// The test binary is its own zecpower: processes, signals and kill -9 are real.
func TestMain(m *testing.M) {
	// The tests wait for processes and clocks; that many more than processors
	// may do so at a time. -parallel on the command line still counts.
	if err := flag.Set("test.parallel", strconv.Itoa(4*runtime.GOMAXPROCS(0))); err != nil {
		os.Exit(exitFailed)
	}
	testscript.Main(m, map[string]func(){"zecpower": main, "zecpower-profiled": profiledMain})
}
