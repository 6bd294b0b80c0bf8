package calendar

import "regexp"

// filterEvents leaves those events that a file's Match and Exclude let through. An occurrence that
// was changed without a text of its own has that of its series.
func filterEvents(events []*event, file File, warn *warnings) []*event {
	if file.Match == nil && file.Exclude == nil {
		return events
	}
	series := make(map[string][]string)
	for _, e := range events {
		if e.replaces == nil && len(e.texts) > 0 {
			series[e.uid] = e.texts
		}
	}
	var kept []*event
	for _, e := range events {
		texts := e.texts
		if len(texts) == 0 && e.replaces != nil {
			texts = series[e.uid]
		}
		if (file.Match == nil || matchesAny(file.Match, texts)) && (file.Exclude == nil || !matchesAny(file.Exclude, texts)) {
			kept = append(kept, e)
		}
	}
	if len(kept) == 0 && len(events) > 0 {
		warn.warn(0, "match and exclude let none of its %d events through; compare them with SUMMARY, DESCRIPTION and CATEGORIES", len(events))
	}
	return kept
}

func matchesAny(re *regexp.Regexp, texts []string) bool {
	for _, text := range texts {
		if re.MatchString(text) {
			return true
		}
	}
	return false
}
