package main

import (
	"os"
	"path/filepath"
	"runtime/metrics"
	"runtime/pprof"
	"time"
)

// profileDir is the variable of the environment that names the folder for profiles.
const profileDir = "ZECPOWER_PROFILES"

// profiledMain is main with a CPU and a heap profile of the whole process. It is a command of the
// tests alone.
func profiledMain() {
	dir := os.Getenv(profileDir)
	cpu := createProfile(dir, "cpu.pprof")
	defer cpu.Close()
	if err := pprof.StartCPUProfile(cpu); err != nil {
		panic(err)
	}
	done, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		profileHeap(dir, done)
	}()
	limitGarbage(os.Getenv)
	status := run(os.Args[1:], os.Stdout, os.Stderr)
	close(done)
	<-stopped
	pprof.StopCPUProfile()
	os.Exit(status)
}

// profileHeap writes the profile of the largest live heap that it saw until done, and at the end one
// of all allocations.
func profileHeap(dir string, done <-chan struct{}) {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	for largest := uint64(0); ; {
		metrics.Read(live)
		if size := live[0].Value.Uint64(); size > largest {
			largest = size
			writeProfile(dir, "heap")
		}
		select {
		case <-done:
			writeProfile(dir, "allocs")
			return
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func writeProfile(dir, name string) {
	f := createProfile(dir, name+".pprof")
	defer f.Close()
	if err := pprof.Lookup(name).WriteTo(f, 0); err != nil {
		panic(err)
	}
}

func createProfile(dir, name string) *os.File {
	f, err := os.Create(filepath.Join(dir, name))
	if err != nil {
		panic(err)
	}
	return f
}
