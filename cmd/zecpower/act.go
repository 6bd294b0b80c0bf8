package main

import (
	"strings"

	"github.com/spf13/pflag"

	"zecpower/internal/store"
)

// reasonFlag defines --reason for the commands of people.
func reasonFlag(flags *pflag.FlagSet, reason *string) {
	flags.StringVar(reason, "reason", "", "`TEXT` for the history: why you do it")
}

// byWords say who asked for a run by hand, and why; of a scheduled run they are empty.
func byWords(e store.Entry) string {
	if e.Actor == "" {
		return ""
	}
	words := "; by " + e.Actor
	if e.Trigger != "" {
		words = "; triggered " + e.Trigger + ", by " + e.Actor
	}
	return words + reasonWords(e)
}

func reasonWords(e store.Entry) string {
	if e.Reason == "" {
		return ""
	}
	return ": " + e.Reason
}

// actWords say what a person did, or tried.
func actWords(e store.Entry) string {
	words := actName(e) + " by " + e.Actor + reasonWords(e)
	if e.Refused != "" {
		return "refused: " + words + "; " + e.Refused
	}
	return words
}

// actName names an act, and what it was about.
func actName(e store.Entry) string {
	switch e.Act {
	case store.ActCancel:
		return "cancel of " + e.Subject
	case store.ActSkip:
		return strings.TrimSuffix("skip of "+e.Subject, " of ")
	case store.ActUnskip:
		return "skip of " + e.Subject + " taken back"
	case store.ActAccept:
		return "acceptance of the members of " + groupsText(e.Groups)
	}
	return strings.TrimSuffix(string(e.Act)+" of "+groupsText(e.Groups), " of ")
}
