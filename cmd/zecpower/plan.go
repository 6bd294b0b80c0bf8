package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"zecpower/batcher"
	"zecpower/internal/app"
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
	Account    string     `json:"account,omitempty"` // empty: default
	Duplicates int        `json:"duplicates"`
	Chunks     [][]string `json:"chunks"`
}

func printPlan(w io.Writer, action power.Action, plans []app.AccountPlan, output string) error {
	if output == outputJSON {
		return printJSON(w, planOf(action, plans))
	}
	var sums []string
	for _, p := range plans {
		sums = append(sums, printAccountPlan(w, p, len(plans) > 1))
	}
	_, err := fmt.Fprintf(w, "\ndry run: nothing was sent. A run would send %s,\nthen ask for the states every poll_interval until each instance is there.\n",
		strings.Join(sums, ", "))
	return err
}

func planOf(action power.Action, plans []app.AccountPlan) planJSON {
	out := planJSON{Action: action, Groups: []planGroupJSON{}}
	for _, p := range plans {
		out.Requests += p.Requests
		for _, g := range p.Groups {
			of := planGroupJSON{Group: g.Group, Duplicates: g.Duplicates, Chunks: g.Chunks}
			if p.Account != power.DefaultAccount {
				of.Account = p.Account
			}
			out.Groups = append(out.Groups, of)
		}
	}
	return out
}

// printAccountPlan prints what a run would send to one account, and returns the sum of it. named: by
// its name.
func printAccountPlan(w io.Writer, p app.AccountPlan, named bool) (sum string) {
	to := ""
	if named {
		to = " to account " + p.Account
	}
	for _, g := range p.Groups {
		fmt.Fprintf(w, "group %s: %s%s\n", g.Group, count(len(g.Chunks), "chunk"), duplicates(g.Duplicates))
		for i, chunk := range g.Chunks {
			fmt.Fprintf(w, "  %s %d%s: %s, %s\n", batcher.APIAction(p.Action), g.First+i, to, count(len(chunk), "instance"), span(chunk))
		}
	}
	over := "at once"
	if d := p.AtLeast.Round(100 * time.Millisecond); d > 0 {
		over = fmt.Sprintf("over %s or more", d)
	}
	return fmt.Sprintf("%s%s %s", count(p.Requests, batcher.APIAction(p.Action)+" request"), to, over)
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
