package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// process is the usual process collector with another start time. The usual one reads it from
// /proc/stat, which a service's sandbox (ProcSubset=pid) hides, and which moves by a second
// whenever the clock is adjusted.
type process struct {
	prometheus.Collector
	startDesc *prometheus.Desc
	start     prometheus.Metric
}

// newProcess makes the collector of a process that began at start.
func newProcess(start time.Time) process {
	desc := prometheus.NewDesc("process_start_time_seconds", "Start time of the process since unix epoch in seconds.", nil, nil)
	return process{
		Collector: collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		startDesc: desc,
		start:     prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, unix(start)),
	}
}

// Collect implements prometheus.Collector.
func (p process) Collect(out chan<- prometheus.Metric) {
	own := make(chan prometheus.Metric)
	go func() {
		defer close(own)
		p.Collector.Collect(own)
	}()
	for m := range own {
		if m.Desc().String() != p.startDesc.String() {
			out <- m
		}
	}
	out <- p.start
}
