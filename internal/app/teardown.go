package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"
)

// stopGrace is how long a server waits for its requests to finish.
const stopGrace = 5 * time.Second

// teardown undoes what was started, in reverse order, each step by its name.
type teardown struct{ steps []step }

type step struct {
	name string
	stop func() error
}

func (t *teardown) push(name string, stop func() error) {
	t.steps = append(t.steps, step{name, stop})
}

func (t *teardown) run(log *zap.Logger) error {
	var errs []error
	for i := len(t.steps) - 1; i >= 0; i-- {
		s := t.steps[i]
		log.Debug("stopping", zap.String("part", s.name))
		if err := s.stop(); err != nil {
			errs = append(errs, fmt.Errorf("stopping the %s: %w", s.name, err))
		}
	}
	return errors.Join(errs...)
}

// stopper bounds a server's stop by stopGrace. It ignores that slow clients were cut.
func stopper(stop func(context.Context) error) func() error {
	return func() error {
		ctx, cancel := context.WithTimeout(context.Background(), stopGrace)
		defer cancel()
		_ = stop(ctx)
		return nil
	}
}
