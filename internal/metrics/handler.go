package metrics

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
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
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorLog:            scrapeLog{logger},
		ErrorHandling:       promhttp.ContinueOnError,
		Registry:            m.registry,
		MaxRequestsInFlight: maxScrapes,
		Timeout:             scrapeTimeout,
		EnableOpenMetrics:   true,
	})
}

// scrapeLog takes promhttp's complaints.
type scrapeLog struct{ logger *zap.Logger }

// Println implements promhttp.Logger. A client that leaves before its reply is
// rendered costs a complaint for each family that is left: as errors those would
// fill the journal until it drops what a run has to say.
func (l scrapeLog) Println(v ...any) {
	level := zapcore.ErrorLevel
	for _, part := range v {
		if err, ok := part.(error); ok && clientLeft(err) {
			level = zapcore.DebugLevel
		}
	}
	l.logger.Log(level, strings.TrimSuffix(fmt.Sprintln(v...), "\n"))
}

// clientLeft tells a scrape that nobody waits for any more, or that took too long, from one that went wrong.
func clientLeft(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, http.ErrHandlerTimeout)
}
