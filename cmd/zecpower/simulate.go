package main

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"syscall"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"zecpower/apiclient"
	"zecpower/internal/config"
	"zecpower/internal/credentials"
	"zecpower/internal/logging"
	"zecpower/internal/power"
	"zecpower/internal/zecsim"
)

// defaultSimulator is where simulate listens.
const defaultSimulator = "127.0.0.1:9822"

// The documented credentials of a simulator that finds none of the user's.
const demoKey, demoSecret = "demo", "demo"

type simulateFlags struct {
	listen, scenario string
	instances        int
	cert, key        string
	access           accessFlags
	log              logFlags
}

func newSimulateCommand(h *host) *cobra.Command {
	var f simulateFlags
	cmd := &cobra.Command{
		Use:   "simulate",
		Short: "Serve a ZEC API that behaves, and misbehaves, like the real one",
		Long: `Serve a simulated ZEC API: it checks signatures, limits and states, boots
instances in their time, throttles, and fails as a scenario file says. The file
also gives instances names, tags, zones and resource groups to filter by, lets
some join and leave while it runs, and puts describes on pages without an order.
Any ZEC client can talk to it. It accepts the credentials that the other commands
would use, else the key "demo" with the secret "demo".`,
		Example: `  zecpower simulate --instances 1000
  zecpower simulate --listen 127.0.0.1:9822 --scenario scenario.yaml
  zecpower simulate --tls-cert cert.pem --tls-key key.pem     # for clients that insist on TLS`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return h.simulate(cmd, f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.listen, "listen", defaultSimulator, "`ADDR` to serve on; port 0 takes any free one")
	flags.IntVar(&f.instances, "instances", 0, "size of the fleet, i-000000 upwards (default the scenario's, else 1000)")
	flags.StringVar(&f.scenario, "scenario", "", "scenario `FILE`: states, boot times, names, tags, limits, faults")
	flags.StringVar(&f.cert, "tls-cert", "", "certificate `FILE` (PEM); with --tls-key serves TLS")
	flags.StringVar(&f.key, "tls-key", "", "key `FILE` (PEM) of the certificate")
	f.access.add(flags)
	f.log.add(flags, "info", "")
	return cmd
}

func (h *host) simulate(cmd *cobra.Command, f simulateFlags) error {
	logger, err := logging.New(logging.Config{Level: f.log.level, Format: f.log.format, Output: h.stderr})
	if err != nil {
		return &exit{exitUsage, err}
	}
	options, err := h.simulatorOptions(f)
	if err != nil {
		return err
	}
	tlsConfig, err := f.tls()
	if err != nil {
		return err
	}
	options.OnRequest = logRequest(logger)
	sim, err := zecsim.New(options)
	if err != nil {
		return &exit{exitUsage, err}
	}
	ln, err := net.Listen("tcp", f.listen)
	if err != nil {
		return usageError("--listen %s: %w%s", f.listen, err, portHint(err))
	}
	h.introduce(ln.Addr(), sim, options, tlsConfig != nil, logger)
	ctx, stop := interruptible(cmd)
	defer stop()
	if err := sim.Serve(ctx, ln, tlsConfig); err != nil {
		return &exit{exitFailed, err}
	}
	h.sumUp(sim.Truth())
	return nil
}

// portHint says what to do about a port that is taken.
func portHint(err error) string {
	if errors.Is(err, syscall.EADDRINUSE) {
		return "; another simulator, most likely: stop it, or choose another port (0 takes any free one)"
	}
	return ""
}

func (h *host) simulatorOptions(f simulateFlags) (zecsim.Options, error) {
	options := zecsim.DefaultOptions()
	switch {
	case f.instances < 0:
		return options, usageError("--instances %d: it cannot be negative", f.instances)
	case f.scenario != "":
		var err error
		if options, err = zecsim.LoadScenario(f.scenario, f.instances); err != nil {
			return options, &exit{exitUsage, err}
		}
	case f.instances > 0:
		options.Instances = f.instances
	}
	access, err := f.access.find(h, config.Account{Name: power.DefaultAccount})
	switch {
	case err == nil:
		options.Credentials = []apiclient.Credentials{access.Credentials}
	case !errors.Is(err, credentials.ErrNotFound):
		return options, err
	}
	return options, nil
}

func (f simulateFlags) tls() (*tls.Config, error) {
	switch {
	case f.cert == "" && f.key == "":
		return nil, nil
	case f.cert == "" || f.key == "":
		return nil, usageError("--tls-cert and --tls-key go together")
	}
	pair, err := tls.LoadX509KeyPair(f.cert, f.key)
	if err != nil {
		return nil, usageError("--tls-cert %s, --tls-key %s: %w", f.cert, f.key, err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, nil
}

// introduce prints where the simulator is and how to use it.
func (h *host) introduce(addr net.Addr, sim *zecsim.Simulator, o zecsim.Options, secure bool, logger *zap.Logger) {
	scheme := "http"
	if secure {
		scheme = "https"
	}
	fmt.Fprintf(h.stdout, "simulated ZEC API on %s://%s with %s\n", scheme, addr, count(sim.Truth().Instances, "instance"))
	if len(o.Credentials) == 0 {
		fmt.Fprintf(h.stdout, "credentials: ZENLAYER_ACCESS_KEY_ID=%s ZENLAYER_ACCESS_KEY_SECRET=%s\n", demoKey, demoSecret)
	} else {
		fmt.Fprintln(h.stdout, "credentials: those that the other commands find here")
	}
	fmt.Fprintf(h.stdout, "use it with\n  api:\n    endpoint: %s://%s\n", scheme, localAddress(addr))
	if secure {
		fmt.Fprintln(h.stdout, "and have its certificate trusted, unless it is: SSL_CERT_FILE=CERT zecpower start …")
	}
	if ap, err := netip.ParseAddrPort(addr.String()); err == nil && !ap.Addr().IsLoopback() {
		logger.Warn("the simulator is open to the network; listen on a loopback address unless that is wanted", zap.Stringer("address", addr))
	}
}

// localAddress is where a client on this host finds the listener: "all addresses" is none to
// connect to, and plain HTTP goes to loopback only.
func localAddress(addr net.Addr) string {
	ap, err := netip.ParseAddrPort(addr.String())
	if err != nil || !ap.Addr().IsUnspecified() {
		return addr.String()
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), ap.Port()).String()
}

// logRequest logs each request: what was asked, what came of it.
func logRequest(logger *zap.Logger) func(zecsim.RequestRecord) {
	return func(r zecsim.RequestRecord) {
		logger.Info("request", zap.String("api_action", r.Action), zap.Int("instances", r.IDs), zap.Int("status", r.Status),
			zap.String("code", string(r.Code)), zap.String("request_id", r.RequestID), zap.Int("accepted", r.Accepted),
			zap.String("fault", string(r.Fault)), zap.Bool("throttled", r.Throttled), zap.String("note", r.Note),
			zap.Float64("duration_seconds", r.Took.Seconds()))
	}
}

func (h *host) sumUp(t zecsim.Truth) {
	fmt.Fprintf(h.stdout, "\n%s (%d throttled, %d refused credentials); at most %d within a second, %d at once\n",
		count(t.Requests, "request"), t.Throttled, t.AuthFailures, t.MaxPerSecond, t.PeakConcurrency)
	for _, action := range slices.Sorted(maps.Keys(t.ByAction)) {
		fmt.Fprintf(h.stdout, "  %-24s %d\n", cmp.Or(action, "(unknown action)"), t.ByAction[action])
	}
	fmt.Fprintln(h.stdout, "instances:")
	for _, state := range slices.Sorted(maps.Keys(t.ByState)) {
		fmt.Fprintf(h.stdout, "  %-24s %d\n", state, t.ByState[state])
	}
}
