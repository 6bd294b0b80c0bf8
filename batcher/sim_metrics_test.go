package batcher_test

import (
	"maps"
	"slices"
	"strings"

	"zecpower/internal/metrics"
	"zecpower/internal/power"
)

// metrics: what a scrape of the last process says is what the report says.
func (c *checker) metrics() {
	instances, failed, omitted := c.expectedSeries()
	c.compare("zecpower_group_instances", instances)
	c.compare("zecpower_instance_failed_info", failed)
	c.compare("zecpower_instances_failed_omitted", omitted)
	c.rateIsBounded()
	if len(c.w.s.kills) > 0 {
		return // the counters of the processes before went with them
	}
	c.compare("zecpower_instances_total", instances)
	c.compareSum("zecpower_batches_total", c.w.starts)
	c.compareSum("zecpower_api_requests_total", c.w.sim.Truth().Requests)
}

// expectedSeries words the report as the series that stand for it, by label
// values in the order of the label names.
func (c *checker) expectedSeries() (instances, failed, omitted map[string]float64) {
	instances, failed, omitted = map[string]float64{}, map[string]float64{}, map[string]float64{}
	action := string(c.w.s.action)
	for _, g := range c.w.report.Groups {
		for k, n := range []int{g.Done, g.Already, g.Failed, g.Skipped} {
			instances[seriesKey(action, g.Group, string(power.Outcomes(c.w.s.action)[k]))] = float64(n)
		}
		named := g.Failures()
		named = named[:min(len(named), metrics.MaxFailedInfo)]
		for _, f := range named {
			failed[seriesKey(action, g.Group, f.InstanceID, string(f.Reason))] = 1
		}
		omitted[seriesKey(action, g.Group)] = float64(g.Failed - len(named))
	}
	return instances, failed, omitted
}

func seriesKey(values ...string) string { return strings.Join(values, " ") }

// compare holds a family's series against the expected ones.
func (c *checker) compare(family string, want map[string]float64) {
	got := c.scrape(family)
	if maps.Equal(got, want) {
		return
	}
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if v, there := got[key]; !there || v != want[key] {
			c.complain("%s{%s} is %v (there: %v), want %v", family, key, v, there, want[key])
		}
		delete(got, key)
	}
	for key, v := range got {
		c.complain("%s{%s} is %v, and should not be there", family, key, v)
	}
}

func (c *checker) compareSum(family string, want int) {
	sum := 0.0
	for _, v := range c.scrape(family) {
		sum += v
	}
	if sum != float64(want) {
		c.complain("%s adds up to %v, want %d", family, sum, want)
	}
}

func (c *checker) rateIsBounded() {
	for _, v := range c.scrape("zecpower_api_rate_limit_requests_per_second") {
		if v <= 0 || v > c.w.s.rate {
			c.complain("the metric of the rate is %v, the ceiling %v", v, c.w.s.rate)
		}
	}
}

// scrape gives one family of the last process by its label values.
func (c *checker) scrape(family string) map[string]float64 {
	series := map[string]float64{}
	families, err := c.w.metrics.Registry().Gather()
	if err != nil {
		c.complain("the scrape failed: %v", err)
	}
	for _, f := range families {
		if f.GetName() != family {
			continue
		}
		for _, m := range f.GetMetric() {
			var values []string
			for _, label := range m.GetLabel() { // sorted by name
				values = append(values, label.GetValue())
			}
			series[seriesKey(values...)] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	return series
}
