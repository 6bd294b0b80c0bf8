package main

import (
	"fmt"
	"io"
	"time"

	"zecpower/batcher"
	"zecpower/internal/power"
)

// planJSON is `--dry-run --output json`.
type planJSON struct {
	Action   power.Action    `json:"action"`
	Requests int             `json:"requests"`
	Groups   []planGroupJSON `json:"groups"`
}

type planGroupJSON struct {
	Group      string     `json:"group"`
	Duplicates int        `json:"duplicates"`
	Chunks     [][]string `json:"chunks"`
}

func printPlan(w io.Writer, p batcher.Plan, output string) error {
	if output == outputJSON {
		out := planJSON{Action: p.Action, Requests: p.Requests, Groups: make([]planGroupJSON, 0, len(p.Groups))}
		for _, g := range p.Groups {
			out.Groups = append(out.Groups, planGroupJSON{g.Group, g.Duplicates, g.Chunks})
		}
		return printJSON(w, out)
	}
	for _, g := range p.Groups {
		fmt.Fprintf(w, "group %s: %s%s\n", g.Group, count(len(g.Chunks), "chunk"), duplicates(g.Duplicates))
		for i, chunk := range g.Chunks {
			fmt.Fprintf(w, "  %s %d: %s, %s\n", batcher.APIAction(p.Action), g.First+i, count(len(chunk), "instance"), span(chunk))
		}
	}
	over := "at once"
	if d := p.AtLeast.Round(100 * time.Millisecond); d > 0 {
		over = fmt.Sprintf("over %s or more", d)
	}
	_, err := fmt.Fprintf(w, "\ndry run: nothing was sent. A run would send %s %s,\nthen ask for the states every poll_interval until each instance is there.\n",
		count(p.Requests, batcher.APIAction(p.Action)+" request"), over)
	return err
}

func duplicates(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" (%s dropped)", count(n, "repeated id"))
}

func span(ids []string) string {
	if len(ids) == 1 {
		return ids[0]
	}
	return ids[0] + " … " + ids[len(ids)-1]
}
