package metrics

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/zap"
)

// Scrape limits. A scrape is rendered into memory and only then sent, so a
// client that reads slowly holds neither a place nor a lock.
const (
	maxScrapes    = 8
	scrapeTimeout = 10 * time.Second
)

// Handler serves the metrics, in the OpenMetrics format where it is asked for.
// More scrapes at once than a pair of Prometheus servers and a few people need
// are answered 503. A collector that fails costs its own series only and is
// logged and counted. Call it once for a Metrics.
func (m *Metrics) Handler(logger *zap.Logger) http.Handler {
	errorLog, err := zap.NewStdLogAt(logger, zap.ErrorLevel)
	if err != nil {
		errorLog = nil // promhttp then counts only; the level is a constant
	}
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorLog:            errorLog,
		ErrorHandling:       promhttp.ContinueOnError,
		Registry:            m.registry,
		MaxRequestsInFlight: maxScrapes,
		Timeout:             scrapeTimeout,
		EnableOpenMetrics:   true,
	})
}
