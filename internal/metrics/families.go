package metrics

import (
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// namespace prefixes every metric of our own.
const namespace = "zecpower"

// Kind is the type of a metric family, in Prometheus's words.
type Kind string

// The kinds in use.
const (
	KindCounter   Kind = "counter"
	KindGauge     Kind = "gauge"
	KindHistogram Kind = "histogram"
)

// Family describes one metric family.
type Family struct {
	Name   string // with its prefix
	Kind   Kind
	Labels []string // variable labels, in order
	Help   string
}

// Histogram limits. Classic buckets serve every Prometheus. A server that scrapes native histograms
// gets buckets 10 % apart, bounded in number.
const (
	nativeBucketFactor  = 1.1
	nativeBucketMax     = 160
	nativeResetInterval = time.Hour
)

// registrar makes collectors, registers them and records their families, so that the list of
// families cannot differ from what is served. A failure to register is a mistake in this package
// that its first test meets, so it panics.
type registrar struct {
	registry *prometheus.Registry
	families []Family
}

func (r *registrar) record(kind Kind, name, help string, labels []string) {
	r.families = append(r.families, Family{Name: namespace + "_" + name, Kind: kind, Labels: slices.Clone(labels), Help: help})
}

func (r *registrar) counter(name, help string, labels ...string) *prometheus.CounterVec {
	r.record(KindCounter, name, help, labels)
	v := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
	r.registry.MustRegister(v)
	return v
}

func (r *registrar) gauge(name, help string, labels ...string) *prometheus.GaugeVec {
	r.record(KindGauge, name, help, labels)
	v := prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, labels)
	r.registry.MustRegister(v)
	return v
}

func (r *registrar) histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	r.record(KindHistogram, name, help, labels)
	v := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: namespace, Name: name, Help: help, Buckets: buckets,
		NativeHistogramBucketFactor:     nativeBucketFactor,
		NativeHistogramMaxBucketNumber:  nativeBucketMax,
		NativeHistogramMinResetDuration: nativeResetInterval,
	}, labels)
	r.registry.MustRegister(v)
	return v
}

// desc records a metric that a custom collector emits.
func (r *registrar) desc(kind Kind, name, help string, labels ...string) *prometheus.Desc {
	r.record(kind, name, help, labels)
	return prometheus.NewDesc(namespace+"_"+name, help, labels, nil)
}
