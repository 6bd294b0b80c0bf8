package zecsim

import (
	"strconv"
	"strings"

	"zecpower/internal/strictyaml"
)

// spot is an instance among those that an override selects.
type spot struct {
	position int // in the fleet
	place    int // among the selected, from 0
}

// pattern is a text that differs from instance to instance: its pieces one after the other.
type pattern []piece

// piece is a plain text, or what stands in braces: {k}, {n} or a choice such as {a|b}.
type piece struct {
	text   string
	number byte     // 'k' or 'n'; 0 where it is none
	choice []string // nil where it is none
}

const patternHint = "in braces write {k} for 1, 2, 3, {n} for the digits of the id, or a choice such as {a|b}"

// patternText reads a pattern; an empty one is refused as any text is.
func patternText(d *strictyaml.Doc, dst *pattern) strictyaml.Read {
	return strictyaml.Value(d, dst, "text", func(text string) (pattern, error) {
		if text == "" {
			return nil, strictyaml.Faultf("take the key out instead", "the text is empty")
		}
		return parsePattern(text)
	})
}

func parsePattern(text string) (pattern, error) {
	var p pattern
	for rest := text; rest != ""; {
		before, from, opens := strings.Cut(rest, "{")
		if strings.Contains(before, "}") {
			return nil, strictyaml.Faultf(patternHint, "%s closes a brace that it does not open", strictyaml.Quote(text))
		}
		if before != "" {
			p = append(p, piece{text: before})
		}
		inside, after, closes := strings.Cut(from, "}")
		if opens && !closes {
			return nil, strictyaml.Faultf(patternHint, "%s opens a brace that it does not close", strictyaml.Quote(text))
		}
		if opens {
			in, ok := parseBraces(inside)
			if !ok {
				return nil, strictyaml.Faultf(patternHint, "%s is not known in braces", strictyaml.Quote(inside))
			}
			p = append(p, in)
		}
		rest = after
	}
	return p, nil
}

// parseBraces reads what stands between two braces.
func parseBraces(inside string) (piece, bool) {
	if inside == "k" || inside == "n" {
		return piece{number: inside[0]}, true
	}
	choice := strings.Split(inside, "|")
	return piece{choice: choice}, len(choice) > 1 && !strings.Contains(inside, "{")
}

// at is the text for one instance. Choices are taken in turn, in the order of the selected.
func (p pattern) at(s spot) string {
	var b strings.Builder
	for _, in := range p {
		switch {
		case in.number == 'k':
			b.WriteString(strconv.Itoa(s.place + 1))
		case in.number == 'n':
			b.WriteString(strings.TrimPrefix(InstanceID(s.position), "i-"))
		case in.choice != nil:
			b.WriteString(in.choice[s.place%len(in.choice)])
		default:
			b.WriteString(in.text)
		}
	}
	return b.String()
}
