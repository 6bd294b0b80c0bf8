package main

import (
	"fmt"

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
			_, err := fmt.Fprintln(h.stdout, version.Print("zecpower"))
			return err
		},
	}
}
