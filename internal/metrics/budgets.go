package metrics

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"zecpower/batcher"
)

// Budget is the request budget of an account, read at each scrape.
type Budget interface {
	// Rate is the present rate of an API action in requests a second.
	Rate(apiAction string) float64
	// Waited is how long requests have waited for the budget, summed. It never falls.
	Waited() time.Duration
}

// budgets collects the rate limit metrics of the accounts. It is safe for concurrent use.
type budgets struct {
	rate   *prometheus.Desc
	waited *prometheus.Desc

	mu  sync.Mutex // guards the map
	all map[string]Budget
}

func newBudgets(r *registrar) *budgets {
	b := &budgets{
		rate: r.desc(KindGauge, "api_rate_limit_requests_per_second",
			"Present rate of an API action: requests_per_second, or less after the API has throttled it.", "account", "api_action"),
		waited: r.desc(KindCounter, "api_rate_limit_wait_seconds_total", "Time that requests waited for the account's request budget.", "account"),
		all:    map[string]Budget{},
	}
	r.registry.MustRegister(b)
	return b
}

// replace replaces the budgets, by account, and returns those from before.
func (b *budgets) replace(all map[string]Budget) (before map[string]Budget) {
	b.mu.Lock()
	defer b.mu.Unlock()
	before, b.all = b.all, maps.Clone(all)
	return before
}

// Describe implements prometheus.Collector.
func (b *budgets) Describe(out chan<- *prometheus.Desc) {
	out <- b.rate
	out <- b.waited
}

// Collect implements prometheus.Collector.
func (b *budgets) Collect(out chan<- prometheus.Metric) {
	b.mu.Lock()
	all := maps.Clone(b.all)
	b.mu.Unlock()
	for _, account := range slices.Sorted(maps.Keys(all)) {
		for _, action := range batcher.APIActions() {
			out <- gauge(b.rate, all[account].Rate(action), account, action)
		}
		out <- prometheus.MustNewConstMetric(b.waited, prometheus.CounterValue, all[account].Waited().Seconds(), account)
	}
}
