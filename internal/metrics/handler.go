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

// Scrape limits. A scrape is rendered into memory before it is sent, so a client that reads slowly
// holds neither a place nor a lock.
const (
	maxScrapes    = 8
	scrapeTimeout = 10 * time.Second
)

// Handler serves the metrics, in the OpenMetrics format where the client asks for it. It answers
// 503 to more than maxScrapes at once. A collector that fails costs its own series only, and is
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

// scrapeLog logs promhttp's errors.
type scrapeLog struct{ logger *zap.Logger }

// Println implements promhttp.Logger. A client that leaves before its reply is rendered causes an
// error for each remaining family. They are debug, because journald would drop the lines of a run
// among them.
func (l scrapeLog) Println(v ...any) {
	level := zapcore.ErrorLevel
	for _, part := range v {
		if err, ok := part.(error); ok && clientLeft(err) {
			level = zapcore.DebugLevel
		}
	}
	l.logger.Log(level, strings.TrimSuffix(fmt.Sprintln(v...), "\n"))
}

// clientLeft reports whether a scrape ended because its client left or it took too long.
func clientLeft(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, http.ErrHandlerTimeout)
}
