package main

import (
	"bufio"
	"context"
	_ "embed"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"zecpower/apiclient"
	"zecpower/internal/app"
	"zecpower/internal/config"
	"zecpower/internal/event"
	"zecpower/internal/logging"
	"zecpower/internal/power"
	"zecpower/internal/zecsim"
	"zecpower/scheduler"
)

// demoConfig is the example configuration. A test keeps it equal to schedules.example.yaml.
//
//go:embed demo.yaml
var demoConfig []byte

const (
	// demoSchedule is the schedule of the example that the demo waits for.
	demoSchedule = "weekday-morning"
	// demoLead is how long before its time the demo's clock begins.
	demoLead = 2 * time.Second
	// demoLimit ends a demo that hangs.
	demoLimit = 2 * time.Minute
)

func newDemoCommand(h *host) *cobra.Command {
	return &cobra.Command{
		Use:   "demo",
		Short: "The main job in ten seconds, without an account",
		Long: `Run the daemon on the example schedules against a simulated API, in one process:
the clock is set to just before the next ` + demoSchedule + `, the fleet has a few bad
instances. Nothing leaves this host and nothing stays behind.`,
		Example: `  zecpower demo
  zecpower demo 2>/dev/null   # without the daemon's log`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := h.demo(cmd); err != nil {
				return &exit{exitFailed, fmt.Errorf("demo: %w", err)}
			}
			return nil
		},
	}
}

// demoFleet is the simulated account: sixty instances, some of them bad.
func demoFleet() zecsim.Options {
	o := zecsim.DefaultOptions()
	o.Instances = 60
	o.Overrides = map[int]zecsim.InstanceSpec{
		3:  {State: apiclient.StateRunning},
		17: {State: zecsim.StateMissing},
		23: {State: apiclient.StateRecycle},
		42: {Boot: zecsim.BootFails, BootTime: 300 * time.Millisecond},
		51: {BootFailures: 1},
	}
	o.Latency = zecsim.Latency{Fixed: 30 * time.Millisecond, Jitter: 40 * time.Millisecond}
	o.Seed = 1
	return o
}

func (h *host) demo(cmd *cobra.Command) error {
	ctx, stop := interruptible(cmd)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, demoLimit)
	defer cancel()
	dir, err := os.MkdirTemp("", "zecpower-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	endpoint, shut, err := serveDemo()
	if err != nil {
		return err
	}
	defer shut()
	cfg, err := loadDemo(dir, endpoint)
	if err != nil {
		return err
	}
	due, ok := nextDue(cfg, demoSchedule)
	if !ok {
		return fmt.Errorf("schedule %s has no coming run", demoSchedule)
	}
	h.introduceDemo(cfg, due)
	return h.runDemo(ctx, dir, cfg, due)
}

// serveDemo serves the fleet on a free loopback port.
func serveDemo() (endpoint string, shut func(), err error) {
	sim, err := zecsim.New(demoFleet())
	if err != nil {
		return "", nil, err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = sim.Serve(ctx, ln, nil) // its end shows as a failing API
	}()
	return "http://" + ln.Addr().String(), func() { cancel(); <-done }, nil
}

// loadDemo reads the example, with the simulator's endpoint and a shorter poll interval.
func loadDemo(dir, endpoint string) (*config.Config, error) {
	path := filepath.Join(dir, "schedules.yaml")
	if err := os.WriteFile(path, demoConfig, 0o600); err != nil {
		return nil, err
	}
	cfg, err := config.Load(path)
	if err != nil {
		return nil, err
	}
	cfg.Account(power.DefaultAccount).API.Endpoint = endpoint
	cfg.Batch.PollInterval = 500 * time.Millisecond
	return cfg, nil
}

// nextDue is when a schedule is due next.
func nextDue(cfg *config.Config, name string) (time.Time, bool) {
	s, err := cfg.Schedule(name)
	if err != nil {
		return time.Time{}, false
	}
	for _, o := range comingRuns([]scheduler.Schedule{*s}, time.Now(), 1) {
		if o.Status == scheduler.StatusDue {
			return o.Nominal, true
		}
	}
	return time.Time{}, false
}

func (h *host) introduceDemo(cfg *config.Config, due time.Time) {
	zone := cfg.Timezone
	fmt.Fprintf(h.stdout, `zecpower demo: a simulated account with 60 instances, five of them odd, and the example schedules.
The clock says %s; %s is due at %s.

`, due.Add(-demoLead).In(zone).Format("Mon 2006-01-02 15:04:05"), demoSchedule, due.In(zone).Format("15:04"))
}

// runDemo runs the daemon until the schedule's run has ended, and prints its report.
func (h *host) runDemo(ctx context.Context, dir string, cfg *config.Config, due time.Time) error {
	bar := newProgress(h.stderr, startWords)
	logger, err := logging.New(logging.Config{Level: "info", Format: logging.FormatConsole, Output: bar.out()})
	if err != nil {
		return err
	}
	finished := make(chan power.Report, 1)
	address := make(chan net.Addr, 1)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	d, err := app.New(app.Options{
		Config: cfg, Load: func() (*config.Config, error) { return cfg, nil }, StateDir: dir, RuntimeDir: dir,
		Access: demoAccess, WebAddress: "127.0.0.1:0", Logger: logger,
		Clock:    shiftedClock{scheduler.SystemClock(), time.Until(due) - demoLead},
		Listener: event.Stream{bar, firstReport(finished)}, OnReady: func(a net.Addr) { address <- a },
	})
	if err != nil {
		return err
	}
	stopped := make(chan error, 1)
	go func() { stopped <- d.Run(ctx) }()
	var report power.Report
	select {
	case report = <-finished:
	case err := <-stopped:
		return fmt.Errorf("the daemon ended before the run did: %w", errOr(err, ctx.Err()))
	}
	bar.finish()
	showErr := h.showDemo(ctx, report, <-address)
	cancel()
	return errOr(showErr, <-stopped)
}

// demoAccess is the documented pair.
func demoAccess(config.Account) (app.Access, error) {
	c := apiclient.Credentials{AccessKeyID: demoKey, AccessKeySecret: apiclient.NewSecret(demoSecret)}
	return app.Access{Credentials: c, Source: "the demo's own"}, nil
}

func errOr(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

// showDemo prints what a person on call would check.
func (h *host) showDemo(ctx context.Context, r power.Report, web net.Addr) error {
	fmt.Fprintln(h.stdout)
	if err := printReportTable(h.stdout, r, false, h.colours()); err != nil {
		return err
	}
	fmt.Fprintf(h.stdout, "\nwhat Prometheus sees at /metrics:\n")
	if err := h.quoteMetrics(ctx, "http://"+web.String()+"/metrics"); err != nil {
		return err
	}
	_, err := fmt.Fprint(h.stdout, `
where to look next:
  zecpower simulate                                  a simulated API to try your own schedules on
  zecpower validate --config schedules.example.yaml  the configuration that just ran, commented
  zecpower next --config schedules.example.yaml      its coming runs
  README.md                                          five minutes to a first real schedule
`)
	return err
}

// quoteMetrics prints the lines of a scrape that describe the run.
func (h *host) quoteMetrics(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(io.LimitReader(res.Body, 1<<20))
	for lines.Scan() {
		line := lines.Text()
		if strings.HasPrefix(line, "zecpower_group_instances{") && strings.Contains(line, `action="start"`) ||
			strings.HasPrefix(line, "zecpower_instance_failed_info{") {
			fmt.Fprintln(h.stdout, "  "+line)
		}
	}
	return lines.Err()
}

// shiftedClock is the machine's clock plus a constant.
type shiftedClock struct {
	scheduler.Clock
	ahead time.Duration
}

// Read implements scheduler.Clock.
func (c shiftedClock) Read() scheduler.Reading {
	r := c.Clock.Read()
	r.Wall = r.Wall.Add(c.ahead)
	return r
}

// firstReport sends the first report to a channel.
func firstReport(to chan<- power.Report) event.Listener {
	return event.Func(func(e event.Event) {
		if e, ok := e.(event.RunFinished); ok && e.Report != nil {
			select {
			case to <- *e.Report:
			default:
			}
		}
	})
}
