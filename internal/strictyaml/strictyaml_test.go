package strictyaml

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"
)

func TestShortLeavesZeroPartsOut(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", time.Second: "1s", 30 * time.Second: "30s", time.Minute: "1m", 10 * time.Minute: "10m", time.Hour: "1h",
		90 * time.Minute: "1h30m", time.Hour + time.Second: "1h0m1s", 720 * time.Hour: "720h", 500 * time.Millisecond: "500ms",
	} {
		if got := Short(d); got != want {
			t.Errorf("%v: got %s, want %s", d, got, want)
		}
		if back, err := time.ParseDuration(Short(d)); err != nil || back != d {
			t.Errorf("%v does not read back: %v %v", d, back, err)
		}
	}
}

func TestLongValuesAreCutInMessages(t *testing.T) {
	if got := Quote(strings.Repeat("é", 1000)); got != `"`+strings.Repeat("é", 64)+`"…` {
		t.Errorf("got %s", got)
	}
	if got := Quote("a\n\x1b[31m"); strings.ContainsAny(got, "\n\x1b") {
		t.Errorf("a control character reaches the terminal: %q", got)
	}
}

func TestProblemsAreSortedWithTheNamedFileFirst(t *testing.T) {
	problems := []Problem{{File: "b", Line: 9}, {File: "m", Line: 2, Column: 5}, {File: "a", Line: 1}, {File: "m", Line: 2, Column: 1}, {File: "m"}}
	Sort("m", problems)
	got := fmt.Sprint((&Invalid{Problems: problems}).Error())
	if want := "m: \nm:2:1: \nm:2:5: \na:1:0: \nb:9:0: "; got != want {
		t.Errorf("got\n%s", got)
	}
}

func TestRefusedValueLeavesTheDefault(t *testing.T) {
	d := &Doc{File: "f"}
	n, rate, on, length, word := 7, 1.5, true, time.Minute, "skip"
	root := d.Parse([]byte("n: 1000\nrate: -1\non: yes\nlength: 5\nword: never\n"))
	d.Mapping(root, root, Keys{
		"n": Int(d, &n, 1, 10), "rate": d.Rate(&rate, 10), "on": d.Bool(&on), "length": d.Duration(&length, 0, time.Hour), "word": Enum(d, &word, "skip", "queue"),
	})
	if n != 7 || rate != 1.5 || !on || length != time.Minute || word != "skip" {
		t.Error(n, rate, on, length, word)
	}
	if len(d.Problems()) != 5 {
		t.Errorf("got\n%v", d.Err())
	}
}

func TestNumbersHaveTheirBounds(t *testing.T) {
	for text, want := range map[string]string{
		"0": "", "1000000": "", "0.5": "", "1e3": "",
		"-0.1": "f:1:4: n: -0.1 is out of range (use 0 to 1000000)", "1000001": "f:1:4: n: 1000001 is out of range (use 0 to 1000000)",
		".inf": `f:1:4: n: ".inf" is not a number (write a number such as 10 or 0.5)`, ".nan": `f:1:4: n: ".nan" is not a number (write a number such as 10 or 0.5)`,
		`"1"`: `f:1:4: n: "1" is text, where a number belongs (take the quotes off)`,
	} {
		d, n := &Doc{File: "f"}, 0.0
		root := d.Parse([]byte("n: " + text + "\n"))
		d.Mapping(root, root, Keys{"n": d.Number(&n, 0, 1e6)})
		if got := errText(d.Err()); got != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
}

func TestDurationsHaveTheirBounds(t *testing.T) {
	const outOfRange, misspelt = "f:1:4: n: %s is out of range (use 1s to 24h)", "f:1:4: n: \"%s\" is not a duration (a number and a unit, such as 500ms, 30s, 10m or 1h30m)"
	for text, want := range map[string]string{
		"1s": "", "24h": "", "1h30m": "", "1.5h": "",
		"0s": outOfRange, "-5m": outOfRange, "25h": outOfRange,
		"99999999h": outOfRange, "-99999999999999999999s": outOfRange, // longer than a time.Duration can be
		"1 h": misspelt, "1w": misspelt, "h": misspelt, "1e400h": misspelt,
	} {
		if want != "" {
			want = fmt.Sprintf(want, text)
		}
		d, n := &Doc{File: "f"}, time.Second
		root := d.Parse([]byte("n: " + text + "\n"))
		d.Mapping(root, root, Keys{"n": d.Duration(&n, time.Second, 24*time.Hour)})
		if got := errText(d.Err()); got != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
}

func TestWholeNumbersOfEveryWidth(t *testing.T) {
	var seed uint64
	var size int64
	d := &Doc{File: "f"}
	root := d.Parse([]byte("seed: 4611686018427387904\nsize: 1125899906842624\nlow: -1\nhigh: 9223372036854775808\n"))
	d.Mapping(root, root, Keys{
		"seed": Int(d, &seed, 0, 1<<62), "size": Int(d, &size, 1024, 1<<50),
		"low": Int(d, new(uint64), 0, 1<<62), "high": Int(d, new(uint64), 0, 1<<62),
	})
	if seed != 1<<62 || size != 1<<50 || len(d.Problems()) != 2 {
		t.Errorf("got %d and %d, %v", seed, size, d.Err())
	}
}

func TestWrongWordNamesTheNearestElseAll(t *testing.T) {
	for text, want := range map[string]string{
		"quue": `f:1:4: w: "quue" is not known here (did you mean "queue"?)`, "never": `f:1:4: w: "never" is not known here (use skip, queue)`,
	} {
		d, w := &Doc{File: "f"}, ""
		root := d.Parse([]byte("w: " + text + "\n"))
		d.Mapping(root, root, Keys{"w": Enum(d, &w, "skip", "queue")})
		if got := errText(d.Err()); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestRefusedItemsAreLeftOut(t *testing.T) {
	var list []int
	d := &Doc{File: "f"}
	root := d.Parse([]byte("l: [1, x, 3, [4], !!int 5, ~]\n"))
	d.Mapping(root, root, Keys{"l": Items(d, &list, func(dst *int) Read { return Int(d, dst, 0, 9) })})
	if fmt.Sprint(list) != "[1 3]" || len(d.Problems()) != 4 {
		t.Errorf("got %v,\n%v", list, d.Err())
	}
}

func TestValuesRefusedAsYAMLAreNotSound(t *testing.T) {
	for text, want := range map[string]bool{"a: 1s": true, "a: ~": false, "a: [1s]": false, "a: !!str 1s": false, "a: *b": false, "c: 1": false} {
		d := &Doc{File: "f"}
		root := d.Parse([]byte("b: &b 1s\nm: {" + text + "}\n"))
		got := true
		d.Mapping(root, root, Keys{"b": d.Duration(new(time.Duration), 0, time.Hour), "m": func(k, v *yaml.Node) {
			got = d.Sound(func() { d.Mapping(k, v, Keys{"a": d.Duration(new(time.Duration), 0, time.Hour)}) })
		}})
		if got != want {
			t.Errorf("%s: got %t", text, got)
		}
	}
}

func TestEntriesTakeAnyKeyAndStayOnOneLine(t *testing.T) {
	d := &Doc{File: "f"}
	root := d.Parse([]byte("Team: 1\n\"a\\nb\": x\nplain: 3\nplain: 4\n"))
	var names []string
	d.Entries(root, func(name string, k, v *yaml.Node) {
		names = append(names, name)
		Int(d, new(int), 5, 9)(k, v)
	})
	want := `f:1:7: "Team": 1 is out of range (use 5 to 9)
f:2:9: "a\nb": "x" is not a whole number (write digits only, 5 to 9)
f:3:8: plain: 3 is out of range (use 5 to 9)
f:4:1: the key "plain" is repeated; it stands on line 3 already (keep one)`
	if got := errText(d.Err()); got != want || len(names) != 3 {
		t.Errorf("got %q,\n%s", names, got)
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestFaultsOfOtherPackagesEndInTheRemedy(t *testing.T) {
	d := &Doc{File: "f"}
	d.Refuse(&yaml.Node{Line: 1, Column: 2}, errors.New("what: why; what to do"))
	if got, want := d.Err().Error(), "f:1:2: what: why (what to do)"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestOpenErrorsSayWhatToDo(t *testing.T) {
	got := OpenFault(&fs.PathError{Op: "open", Path: "p", Err: fs.ErrPermission}).Error()
	if want := "permission denied (let the user that runs zecpower read it and enter its folders)"; got != want {
		t.Errorf("got %s", got)
	}
	if got := OpenFault(&fs.PathError{Op: "read", Path: "p", Err: errors.New("disk on fire")}).Error(); got != "cannot be read: disk on fire" {
		t.Errorf("got %s", got)
	}
}

func TestDeepNestingIsAnErrorNotACrash(t *testing.T) {
	for _, text := range []string{strings.Repeat("[", 200_000), strings.Repeat("{a: ", 200_000), "a: " + strings.Repeat("[", 5000) + strings.Repeat("]", 5000)} {
		d := &Doc{File: "f"}
		if root := d.Parse([]byte(text)); root != nil {
			d.Mapping(root, root, Keys{})
		}
		if d.Err() == nil {
			t.Error("accepted")
		}
	}
	d := &Doc{File: "f"}
	d.Parse([]byte("a: " + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000)))
	if got := errText(d.Err()); !strings.Contains(got, "is this the right file?") {
		t.Errorf("the remedy is of another mistake: %s", got)
	}
}

func TestSyntaxErrorsNameTheLine(t *testing.T) {
	filler := strings.Repeat("a: [1, 2]\n", 50)
	for text, line := range map[string]int{
		"b: c: d\n":                1,
		"b: @x\n":                  1,
		"b: 1\nc: \"open\nd: 2\n":  2,
		"b:\n  - 1\n  c: 2\n":      3,
		"b:\n    c: 1\n   d: 2\n":  3,
		"b: {c: 1 d: 2}\n":         1,
		"- a\nb: c\n":              1,
		"b: \"\\q\"\n":             1,
		"b: 1\n\tc: 2\n":           2,
		"b: |\n  text\n c\nd: 1\n": 3,
	} {
		d := &Doc{File: "f"}
		if d.Parse([]byte(filler+text)) != nil || len(d.Problems()) != 1 || d.Problems()[0].Line != 50+line {
			t.Errorf("%q: want one problem on line %d, got %v", text, 50+line, d.Err())
		}
	}
}
