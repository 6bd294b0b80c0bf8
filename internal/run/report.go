package run

import (
	"context"
	"errors"
	"slices"

	"zecpower/internal/power"
)

// report sums up what became of the run.
func report(ctx context.Context, p *passage) {
	r := &p.end.Report
	p.end.Err = errorsOf(*r)
	p.end.CutOff = ctx.Err() != nil && slices.ContainsFunc(r.Groups, func(g power.GroupReport) bool {
		return !slices.Contains(p.run.LeftOut, g.Group) && slices.ContainsFunc(g.Results, CutOff)
	})
}

// CutOff reports whether the end of a context caused a result: nothing else cancels an instance of
// a group that its run still wants.
func CutOff(r power.InstanceResult) bool { return r.Reason == power.ReasonCancelled }

// errorsOf joins the errors of the run itself and of groups that could not be run at all.
func errorsOf(r power.Report) error {
	var errs []error
	if r.Err != "" {
		errs = append(errs, errors.New(r.Err))
	}
	for _, g := range r.Groups {
		if g.Err != "" {
			errs = append(errs, errors.New("group "+g.Group+": "+g.Err))
		}
	}
	return errors.Join(errs...)
}
