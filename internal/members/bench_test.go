package members

import (
	"fmt"
	"slices"
	"testing"
)

// BenchmarkMembers decides for one group over an account of 100,000.
func BenchmarkMembers(b *testing.B) {
	rows := slices.Concat(team("a", 1000), team("b", 99_000))
	g, err := New(Rules{Selector: Selector{Tags: map[string][]string{"team": {"a"}, "env": {"prod"}}, Name: "a-*"}})
	if err != nil {
		b.Fatal(err)
	}
	for i := range rows {
		for k := range 4 {
			rows[i].Tags = append(rows[i].Tags, instance("", "", "", "", fmt.Sprintf("key%d=value", k)).Tags[0])
		}
		rows[i].Tags = append(rows[i].Tags, instance("", "", "", "", "env=prod").Tags[0])
	}
	for b.Loop() {
		if n := len(g.Members(Listing{rows: rows})); n != 1000 {
			b.Fatal(n)
		}
	}
}
