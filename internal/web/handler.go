package web

import (
	"fmt"
	"io"
	"net/http"

	"github.com/prometheus/exporter-toolkit/web"
)

// newHandler routes the web address. Only GET and HEAD are answered.
func newHandler(cfg Config) (http.Handler, error) {
	landing, err := web.NewLandingPage(web.LandingConfig{
		Name:        "zecpower",
		Description: "Powers Zenlayer Elastic Compute fleets on and off, on schedule",
		Version:     cfg.Version,
		Profiling:   "false",
		Links: []web.LandingLinks{
			{Address: "/metrics", Text: "Metrics", Description: "for Prometheus"},
			{Address: "/-/healthy", Text: "Healthy", Description: "the process answers"},
			{Address: "/-/ready", Text: "Ready", Description: "configuration and store are loaded"},
		},
	})
	if err != nil {
		return nil, fmt.Errorf("landing page: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", cfg.Metrics)
	mux.HandleFunc("GET /-/healthy", func(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "zecpower is healthy") })
	mux.HandleFunc("GET /-/ready", func(w http.ResponseWriter, _ *http.Request) { sayReady(w, cfg.Ready) })
	mux.Handle("GET /{$}", landing)
	return mux, nil
}

func sayReady(w http.ResponseWriter, ready func() error) {
	if ready != nil {
		if err := ready(); err != nil {
			say(w, http.StatusServiceUnavailable, "zecpower is not ready: "+err.Error())
			return
		}
	}
	say(w, http.StatusOK, "zecpower is ready")
}

func say(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n") // the client may have left
}
