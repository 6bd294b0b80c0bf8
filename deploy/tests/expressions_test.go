// Package tests holds what is shipped beside the daemon against the daemon: every PromQL expression
// of the dashboard and of the alert rules must parse, and name only metrics and labels that the
// daemon's own registry has.
package tests

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"
	"gopkg.in/yaml.v3"

	"zecpower/internal/metrics"
	"zecpower/internal/power"
	"zecpower/scheduler"
)

// scraped are the names that Prometheus itself writes, with their labels.
var scraped = map[string][]string{
	"up":     nil,
	"ALERTS": {"alertname", "alertstate", "severity"},
}

// added are the labels that every series gets from the scrape.
var added = []string{"job", "instance", "__name__"}

// vocabulary maps every name that a query may use to its labels.
func vocabulary(t *testing.T) map[string][]string {
	t.Helper()
	m := metrics.New()
	names, err := m.Names()
	if err != nil {
		t.Fatal(err)
	}
	words := make(map[string][]string)
	for _, name := range names {
		words[name] = nil
	}
	for _, f := range m.Families() {
		words[f.Name] = f.Labels
		if f.Kind == metrics.KindHistogram {
			words[f.Name+"_sum"], words[f.Name+"_count"] = f.Labels, f.Labels
			words[f.Name+"_bucket"] = append(slices.Clone(f.Labels), "le")
		}
	}
	for name, labels := range scraped {
		words[name] = labels
	}
	return words
}

// check parses an expression and reports the names and labels that words lacks.
func check(t *testing.T, words map[string][]string, where, text string) {
	t.Helper()
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(text)
	if err != nil {
		t.Errorf("%s: %v\n  %s", where, err, text)
		return
	}
	known := slices.Clone(added)
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		v, ok := node.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		labels, ok := words[v.Name]
		if !ok {
			t.Errorf("%s: there is no metric %s\n  %s", where, v.Name, text)
			return nil
		}
		known = append(known, labels...)
		for _, m := range v.LabelMatchers {
			if !slices.Contains(labels, m.Name) && !slices.Contains(added, m.Name) {
				t.Errorf("%s: %s has no label %s\n  %s", where, v.Name, m.Name, text)
			}
		}
		return nil
	})
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		var grouped []string
		switch n := node.(type) {
		case *parser.AggregateExpr:
			grouped = n.Grouping
		case *parser.BinaryExpr:
			if n.VectorMatching != nil {
				grouped = n.VectorMatching.MatchingLabels
			}
		}
		for _, label := range grouped {
			if !slices.Contains(known, label) {
				t.Errorf("%s: none of its metrics has the label %s\n  %s", where, label, text)
			}
		}
		return nil
	})
}

// variable is one of Grafana's; a window stands for those of time, a match for the others.
var variable = regexp.MustCompile(`\$(__rate_interval|__range|__interval|[a-z]+)`)

func substituted(text string) string {
	return variable.ReplaceAllStringFunc(text, func(v string) string {
		if strings.HasPrefix(v, "$__") {
			return "5m"
		}
		return ".*"
	})
}

// labelValues is the query of a dashboard's variable.
var labelValues = regexp.MustCompile(`^label_values\((.+), ([a-z_]+)\)$`)

func TestEveryExpressionOfTheDashboardNamesWhatTheDaemonServes(t *testing.T) {
	words := vocabulary(t)
	data, err := os.ReadFile("../grafana/dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard any
	if err := json.Unmarshal(data, &dashboard); err != nil {
		t.Fatal(err)
	}
	seen := 0
	walk(dashboard, "dashboard", func(where, key, value string) {
		switch {
		case key == "expr":
			seen++
			check(t, words, where, substituted(value))
		case key == "definition":
			m := labelValues.FindStringSubmatch(value)
			if m == nil {
				t.Errorf("%s: %q is no label_values(SERIES, LABEL)", where, value)
				return
			}
			seen++
			check(t, words, where, "count by ("+m[2]+") ("+substituted(m[1])+")")
		}
	})
	if seen < 30 {
		t.Errorf("only %d expressions were found: does the dashboard still have the form that this test expects?", seen)
	}
}

// walk calls visit for every text of a JSON document, with the title of the panel it is in.
func walk(v any, where string, visit func(where, key, value string)) {
	switch v := v.(type) {
	case map[string]any:
		if title, ok := v["title"].(string); ok {
			where += ", " + title
		}
		for key, child := range v {
			if text, ok := child.(string); ok {
				visit(where, key, text)
			}
			walk(child, where, visit)
		}
	case []any:
		for _, child := range v {
			walk(child, where, visit)
		}
	}
}

type ruleFile struct {
	Groups []struct {
		Rules []struct {
			Alert       string            `yaml:"alert"`
			Expr        string            `yaml:"expr"`
			Labels      map[string]string `yaml:"labels"`
			Annotations map[string]string `yaml:"annotations"`
		} `yaml:"rules"`
	} `yaml:"groups"`
}

// templateQuery is a query in the text of an alert, with its format's verbs.
var templateQuery = regexp.MustCompile(`printf "([^"]+)"`)

func readRules(t *testing.T) ruleFile {
	t.Helper()
	data, err := os.ReadFile("../prometheus/rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	var rules ruleFile
	if err := yaml.Unmarshal(data, &rules); err != nil {
		t.Fatal(err)
	}
	return rules
}

func TestEveryExpressionOfTheAlertsNamesWhatTheDaemonServes(t *testing.T) {
	words := vocabulary(t)
	for _, g := range readRules(t).Groups {
		for _, r := range g.Rules {
			check(t, words, r.Alert, r.Expr)
			for _, text := range r.Annotations {
				for _, m := range templateQuery.FindAllStringSubmatch(text, -1) {
					if strings.Contains(m[1], "{") {
						check(t, words, r.Alert, strings.ReplaceAll(m[1], "%q", `"x"`))
					}
				}
			}
		}
	}
}

func TestEveryAlertSaysWhatItMeansAndWhatToDo(t *testing.T) {
	oncall, err := os.ReadFile("../ONCALL.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range readRules(t).Groups {
		for _, r := range g.Rules {
			for _, key := range []string{"summary", "description", "action"} {
				if r.Annotations[key] == "" {
					t.Errorf("%s has no %s", r.Alert, key)
				}
			}
			if s := r.Labels["severity"]; s != "critical" && s != "warning" {
				t.Errorf("%s has the severity %q", r.Alert, s)
			}
			if !strings.Contains(string(oncall), "### "+r.Alert+"\n") {
				t.Errorf("ONCALL.md has no section about %s", r.Alert)
			}
		}
	}
}

func TestTheOnCallPageExplainsEveryReason(t *testing.T) {
	data, err := os.ReadFile("../ONCALL.md")
	if err != nil {
		t.Fatal(err)
	}
	instances, runs, _ := strings.Cut(string(data), "why a run did not happen")
	for _, r := range power.Reasons() {
		if !strings.Contains(instances, "| `"+string(r)+"` |") {
			t.Errorf("ONCALL.md does not say what the reason %s of an instance asks for", r)
		}
	}
	for _, r := range scheduler.MissedReasons() {
		if !strings.Contains(runs, "`"+string(r)+"`") {
			t.Errorf("ONCALL.md does not say what the reason %s of a missed run asks for", r)
		}
	}
}

func TestTheREADMEExplainsEveryReason(t *testing.T) {
	data, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range power.Reasons() {
		if !strings.Contains(string(data), "\n| `"+string(r)+"` |") {
			t.Errorf("the README does not say what the reason %s of an instance means", r)
		}
	}
}
