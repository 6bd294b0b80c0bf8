package members

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"zecpower/apiclient"
)

const (
	// maxPasses is how often one list is read from its first page on before it is given up.
	maxPasses = 5
	// maxListed bounds what is believed of totalCount, so that no reply can ask for requests
	// without end.
	maxListed = 10_000_000
)

// reading is one list on its way: the rows of all passes over its pages so far. It is safe for
// concurrent use.
type reading struct {
	query apiclient.InstanceQuery // without a page
	began time.Time

	mu   sync.Mutex
	at   map[string]int32 // where an id's row stands
	rows []apiclient.Instance
	seen []uint8 // by row: the pass that met it last
	text texts

	pass   uint8  // the first is 1
	counts []span // by pass; that of pass 0 is unused
	next   int    // page of this pass to ask for
	end    int    // an empty page of this pass; 0 where none was met

	err error // why a page could not be read: the first
}

// span is the least and the most that totalCount said in a while. The zero value holds none yet.
type span struct {
	known         bool
	least, atMost int
}

func (s span) with(t span) span {
	switch {
	case !s.known:
		return t
	case !t.known:
		return s
	}
	return span{true, min(s.least, t.least), max(s.atMost, t.atMost)}
}

// still reports whether totalCount said the same all the while.
func (s span) still() bool { return s.known && s.least == s.atMost }

func newReading(q apiclient.InstanceQuery) *reading {
	q.PageSize = apiclient.MaxPageSize
	return &reading{query: q, began: time.Now(), at: map[string]int32{}, text: texts{}, pass: 1, counts: make([]span, 2), next: 1}
}

// again begins another pass; rows of the former ones stay. False where there were enough.
func (r *reading) again() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.pass == maxPasses {
		return false
	}
	r.pass++
	r.counts = append(r.counts, span{})
	r.next, r.end = 1, 0
	return true
}

// begins reports whether no page of this pass was asked for yet.
func (r *reading) begins() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.next == 1
}

// fail ends the reading with an error, unless it has one.
func (r *reading) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = cmp.Or(r.err, err)
}

func (r *reading) failed() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// giveUp is the error of a list that never came whole.
func (r *reading) giveUp() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return fmt.Errorf("%d passes met %d instances where the API counts %d: its pages repeat some and skip others, so the list is not used; "+
		"try again, or narrow the selector to one zone, resource group or tag, so that it has fewer pages", r.pass, len(r.rows), r.counts[r.pass].atMost)
}

// take is the query for the next page; false where this pass needs none, or the reading failed.
func (r *reading) take() (apiclient.InstanceQuery, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil || r.next > max(r.pages(), 1) || r.end > 0 && r.next > r.end {
		return apiclient.InstanceQuery{}, false
	}
	q := r.query
	q.PageNum = r.next
	r.next++
	return q, true
}

// pages are those of the whole list, as far as is known.
func (r *reading) pages() int {
	return (r.counts[r.pass].atMost + apiclient.MaxPageSize - 1) / apiclient.MaxPageSize
}

// left is how many pages this pass still needs.
func (r *reading) left() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return max(r.pages()-r.next+1, 0)
}

// add takes the rows of a page in. A row that was there already is replaced: the newest counts.
func (r *reading) add(num int, p apiclient.InstancePage) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p.TotalCount > maxListed {
		return fmt.Errorf("totalCount is %d, and lists of more than %d instances are not read: narrow the selector", p.TotalCount, maxListed)
	}
	r.counts[r.pass] = r.counts[r.pass].with(span{true, p.TotalCount, p.TotalCount})
	if len(p.Instances) == 0 && (r.end == 0 || num < r.end) {
		r.end = num
	}
	if len(r.rows) == 0 {
		r.rows, r.seen = slices.Grow(r.rows, expected(p)), slices.Grow(r.seen, expected(p))
	}
	for _, in := range p.Instances {
		r.put(in)
	}
	return nil
}

// expected is how many rows to make room for: as many as the API counts, but only up to 200 pages
// like the first, since a wrong count must not cost memory.
func expected(p apiclient.InstancePage) int { return min(p.TotalCount, 200*len(p.Instances)) }

func (r *reading) put(in apiclient.Instance) {
	r.text.share(&in)
	i, again := r.at[in.InstanceID]
	if !again {
		i = int32(len(r.rows))
		r.at[in.InstanceID] = i
		r.rows, r.seen = append(r.rows, in), append(r.seen, 0)
	}
	r.rows[i], r.seen[i] = in, r.pass
}

// result is the list, sorted by id, if it can be believed; it is called once a pass is over, and no
// more once it gave a list.
//
// Pages may repeat rows and skip others, so a list is whole where it has as many distinct ids as
// the API counts. Rows of earlier passes help: an instance that one pass skipped was met by
// another. But a row that only an old pass met may be of an instance that has left since. So the
// newest pass is tried first, and the older ones are added one by one until the number is right, as
// long as the count was the same in all of them.
//
// Where the count changed, instances joined or left under way, and no number is right. Then the
// list is read again. If it never holds still, it is whole where the last two passes met at least
// as many as there were at the least in the last one. What both skipped is missed then, and what
// joined or left meanwhile may be either in or out. Where as many joined as left between the same
// two pages, the count hides it, and one that was shifted from page to page can be missed.
func (r *reading) result() ([]apiclient.Instance, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	met := make([]int, r.pass+1) // by pass: rows that it met last
	for _, pass := range r.seen {
		met[pass]++
	}
	sum, counted := 0, span{}
	for from := r.pass; from > 0; from-- {
		sum += met[from]
		counted = counted.with(r.counts[from])
		held := counted.still() && sum == counted.atMost
		moved := r.pass == maxPasses && from == r.pass-1 && !counted.still() && sum >= r.counts[r.pass].least
		if held || moved {
			return r.since(from), true
		}
	}
	return nil, false
}

// since are the rows that a pass from the given one on has met.
func (r *reading) since(pass uint8) []apiclient.Instance {
	rows := r.rows
	if slices.ContainsFunc(r.seen, func(seen uint8) bool { return seen < pass }) {
		rows = nil
		for i, in := range r.rows {
			if r.seen[i] >= pass {
				rows = append(rows, in)
			}
		}
	}
	slices.SortFunc(rows, func(a, b apiclient.Instance) int { return strings.Compare(a.InstanceID, b.InstanceID) })
	return rows
}

// maxTexts bounds how many texts are shared. Those that many rows have come early; one that each
// row has for itself, such as its host's name in a tag, would cost more in here than it saves.
const maxTexts = 4096

// texts keeps one copy of each text that many rows have.
type texts map[string]string

// share replaces the texts of a row by those kept, and gives its tags no more room than they need.
func (t texts) share(in *apiclient.Instance) {
	in.ZoneID, in.InstanceType, in.ResourceGroupID = t.one(in.ZoneID), t.one(in.InstanceType), t.one(in.ResourceGroupID)
	in.State = apiclient.State(t.one(string(in.State)))
	tags := make(apiclient.Tags, len(in.Tags))
	for i, tag := range in.Tags {
		tags[i] = apiclient.Tag{Key: t.one(tag.Key), Value: t.one(tag.Value)}
	}
	in.Tags = tags
}

func (t texts) one(s string) string {
	if kept, ok := t[s]; ok {
		return kept
	}
	if len(t) < maxTexts {
		t[s] = s
	}
	return s
}
