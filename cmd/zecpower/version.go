package main

import (
	"fmt"
	"io"
	"runtime"

	"github.com/prometheus/common/version"
	"github.com/spf13/cobra"
)

func newVersionCommand(h *host) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print version, revision and build date",
		Example: `  zecpower version`,
		Args:    noArgs,
		RunE: func(*cobra.Command, []string) error {
			return printVersion(h.stdout)
		},
	}
}

// printVersion prints the build's properties. It omits those that a build without the linker flags
// lacks.
func printVersion(w io.Writer) error {
	_, err := fmt.Fprintf(w, "zecpower, version %s\n", version.Version)
	for _, line := range []struct{ name, value string }{
		{"revision", version.GetRevision()},
		{"branch", version.Branch},
		{"build date", version.BuildDate},
		{"go version", runtime.Version()},
		{"platform", runtime.GOOS + "/" + runtime.GOARCH},
	} {
		if err == nil && line.value != "" && line.value != "unknown" {
			_, err = fmt.Fprintf(w, "  %-12s%s\n", line.name+":", line.value)
		}
	}
	return err
}
