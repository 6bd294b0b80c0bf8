package apiclient

import (
	"encoding/json"
	"slices"
	"testing"
)

func TestTagsComeAsAListOrInAnObject(t *testing.T) {
	want := Tags{{"team", "web"}}
	for _, text := range []string{`[{"key":"team","value":"web"}]`, `{"tags":[{"key":"team","value":"web"}]}`} {
		var got Tags
		if err := json.Unmarshal([]byte(text), &got); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: got %v, %v", text, got, err)
		}
	}
	for _, text := range []string{`null`, `[]`, `{}`} {
		var got Tags
		if err := json.Unmarshal([]byte(text), &got); err != nil || len(got) != 0 {
			t.Errorf("%s: got %v, %v", text, got, err)
		}
	}
	var got Tags
	if err := json.Unmarshal([]byte(`"web"`), &got); err == nil {
		t.Errorf("a text was taken for tags: %v", got)
	}
}
