package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// The test binary is its own zecpower: processes, signals and kill -9 are real.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"zecpower": main})
}
