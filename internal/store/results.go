package store

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"zecpower/internal/power"
)

// Results are stored by columns: most of a column repeats one value, which compresses to almost
// nothing. The ids stand apart, in a list that all runs over the same group share. Results begin
// with a byte for the version of their columns; then, as in a list, a byte says how the rest is
// packed.
const resultsVersion = 1

// The ways of packing.
const (
	packedNot   = 0
	packedFlate = 1
)

// worthPacking is the size in bytes from which compressing saves more than it costs.
const worthPacking = 4 << 10

// maxUnpacked bounds the bytes that a packed value may grow to, so that a damaged value cannot fill
// the memory. A million instances with long ids fit many times over.
const maxUnpacked = 1 << 30

func pack(plain []byte) ([]byte, error) {
	if len(plain) < worthPacking {
		return append([]byte{packedNot}, plain...), nil
	}
	var out bytes.Buffer
	out.WriteByte(packedFlate)
	w, err := flate.NewWriter(&out, flate.BestSpeed)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(plain); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func unpack(data []byte) ([]byte, error) {
	switch {
	case len(data) == 0:
		return nil, errors.New("an empty value")
	case data[0] == packedNot:
		return data[1:], nil
	case data[0] != packedFlate:
		return nil, fmt.Errorf("packed in an unknown way: %d", data[0])
	}
	r := flate.NewReader(bytes.NewReader(data[1:]))
	plain, err := io.ReadAll(io.LimitReader(r, maxUnpacked))
	if err != nil {
		return nil, fmt.Errorf("unpack: %w", err)
	}
	return plain, nil
}

// joinIDs and splitIDs turn ids into one value; an id holds no line break.
func joinIDs(ids []string) []byte { return []byte(strings.Join(ids, "\n")) }

func splitIDs(plain []byte) []string {
	if len(plain) == 0 {
		return nil
	}
	return strings.Split(string(plain), "\n")
}

// listHash is the key of a list, derived from its contents.
func listHash(ids []byte) []byte {
	sum := sha256.Sum256(ids)
	return sum[:16]
}

func idsOf(results []power.InstanceResult) []string {
	ids := make([]string, len(results))
	for i, r := range results {
		ids[i] = r.InstanceID
	}
	return ids
}

// appendResults writes everything of results but the ids.
func appendResults(out []byte, results []power.InstanceResult) []byte {
	words := newWordTable(results)
	out = words.append(out)
	out = binary.AppendUvarint(out, uint64(len(results)))
	base := earliest(results)
	out = binary.AppendVarint(out, base)
	for _, text := range textColumns {
		at, before := 0, "" // as in newWordTable
		for i := range results {
			if word := text(&results[i]); i == 0 || word != before {
				at, before = words.index[word], word
			}
			out = binary.AppendUvarint(out, uint64(at)) //nolint:gosec // an index
		}
	}
	for i := range results {
		out = binary.AppendUvarint(out, uint64(max(results[i].Attempts, 0))) //nolint:gosec // not negative
	}
	for i := range results {
		out = binary.AppendUvarint(out, reachedAfter(results[i].ReachedAt, base))
	}
	for i := range results {
		out = binary.AppendUvarint(out, uint64(max(results[i].BootDuration.Milliseconds(), 0))) //nolint:gosec // not negative
	}
	return appendBy(appendStatuses(out, results), results, words)
}

// appendStatuses appends the column of HTTP statuses. It was added while schema 1 was in use, so it
// stands last and is written only where a result has a status: values written before end here, and
// older readers ignore what follows.
func appendStatuses(out []byte, results []power.InstanceResult) []byte {
	if !slices.ContainsFunc(results, func(r power.InstanceResult) bool { return r.HTTPStatus != 0 || r.By != "" }) {
		return out
	}
	for i := range results {
		out = binary.AppendUvarint(out, uint64(max(results[i].HTTPStatus, 0))) //nolint:gosec // not negative
	}
	return out
}

// appendBy appends the column of the runs for which instances were skipped. It stands behind the
// statuses and is written only where a result has one.
func appendBy(out []byte, results []power.InstanceResult, words wordTable) []byte {
	if !slices.ContainsFunc(results, func(r power.InstanceResult) bool { return r.By != "" }) {
		return out
	}
	for i := range results {
		out = binary.AppendUvarint(out, uint64(words.index[results[i].By])) //nolint:gosec // an index
	}
	return out
}

// textColumns are the text columns, in the order of the file.
var textColumns = [...]func(*power.InstanceResult) string{
	func(r *power.InstanceResult) string { return string(r.Outcome) },
	func(r *power.InstanceResult) string { return string(r.Reason) },
	func(r *power.InstanceResult) string { return r.Code },
	func(r *power.InstanceResult) string { return r.State },
	func(r *power.InstanceResult) string { return r.RequestID },
}

func setText(r *power.InstanceResult, column int, word string) {
	switch column {
	case 0:
		r.Outcome = power.Outcome(word)
	case 1:
		r.Reason = power.Reason(word)
	case 2:
		r.Code = word
	case 3:
		r.State = word
	case 4:
		r.RequestID = word
	}
}

type wordTable struct {
	words []string
	index map[string]int
}

func newWordTable(results []power.InstanceResult) wordTable {
	t := wordTable{index: map[string]int{}}
	var before [len(textColumns)]string // most of a column repeats one word
	for i := range results {
		for column, text := range textColumns {
			if word := text(&results[i]); i == 0 || word != before[column] {
				t.add(word)
				before[column] = word
			}
		}
	}
	for i := range results { // last: most results have none, and the table stays as it was without it
		if by := results[i].By; by != "" {
			t.add("")
			t.add(by)
		}
	}
	return t
}

func (t *wordTable) add(word string) {
	if _, ok := t.index[word]; !ok {
		t.index[word] = len(t.words)
		t.words = append(t.words, word)
	}
}

func (t wordTable) append(out []byte) []byte {
	out = binary.AppendUvarint(out, uint64(len(t.words)))
	for _, w := range t.words {
		out = binary.AppendUvarint(out, uint64(len(w)))
		out = append(out, w...)
	}
	return out
}

// earliest is the first ReachedAt in Unix milliseconds; the others are stored relative to it. 0
// where no result has one.
func earliest(results []power.InstanceResult) int64 {
	var base int64
	for i := range results {
		if t := results[i].ReachedAt; !t.IsZero() && (base == 0 || t.UnixMilli() < base) {
			base = t.UnixMilli()
		}
	}
	return base
}

// reachedAfter is 0 for a zero t, else 1 more than the milliseconds since base.
func reachedAfter(t time.Time, base int64) uint64 {
	if t.IsZero() {
		return 0
	}
	return uint64(t.UnixMilli()-base) + 1 //nolint:gosec // base is the earliest
}

// decoder reads what appendResults wrote; the first error sticks.
type decoder struct {
	rest []byte
	err  error
}

var errCut = errors.New("results: cut short or damaged")

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 {
		d.err = errCut
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.rest)
	if n <= 0 {
		d.err = errCut
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

// count reads a number of items. Each item takes a byte at least, so a number beyond the rest is
// damage.
func (d *decoder) count() int {
	n := d.uvarint()
	if n > uint64(len(d.rest)) {
		d.err = errCut
		return 0
	}
	return int(n) //nolint:gosec // at most len
}

func (d *decoder) words() []string {
	words := make([]string, d.count())
	for i := range words {
		n := d.count()
		if d.err != nil {
			return nil
		}
		words[i] = string(d.rest[:n])
		d.rest = d.rest[n:]
	}
	return words
}

// decodeResults reads results and sets their ids from their list.
func decodeResults(plain []byte, ids []string) ([]power.InstanceResult, error) {
	results := make([]power.InstanceResult, len(ids))
	for i := range results {
		results[i].InstanceID = ids[i]
	}
	if err := walkResults(plain, len(ids), func(i int) *power.InstanceResult { return &results[i] }); err != nil {
		return nil, err
	}
	return results, nil
}

// decodeAt reads one of n results. It leaves the id empty.
func decodeAt(plain []byte, n, at int) (r power.InstanceResult, err error) {
	err = walkResults(plain, n, func(i int) *power.InstanceResult {
		if i == at {
			return &r
		}
		return nil
	})
	return r, err
}

// walkResults reads the columns of n results into what of returns; nil skips the result.
func walkResults(plain []byte, n int, of func(i int) *power.InstanceResult) error {
	d := decoder{rest: plain}
	words := d.words()
	if has := d.count(); d.err != nil || has != n {
		return errors.Join(d.err, fmt.Errorf("results: %d for %d ids", has, n))
	}
	base := d.varint()
	for column := range textColumns {
		err := d.text(n, words, of, func(r *power.InstanceResult, word string) { setText(r, column, word) })
		if err != nil {
			return err
		}
	}
	for _, set := range []func(*power.InstanceResult, uint64){setAttempts, setReached(base), setBoot} {
		d.column(n, of, set)
	}
	if d.err == nil && len(d.rest) > 0 { // see appendStatuses
		d.column(n, of, setHTTPStatus)
	}
	if d.err == nil && len(d.rest) > 0 { // see appendBy
		return d.text(n, words, of, func(r *power.InstanceResult, word string) { r.By = word })
	}
	return d.err
}

// text reads one word for each of n results.
func (d *decoder) text(n int, words []string, of func(i int) *power.InstanceResult, set func(*power.InstanceResult, string)) error {
	for i := range n {
		w := d.uvarint()
		if d.err != nil || w >= uint64(len(words)) {
			return errCut
		}
		if r := of(i); r != nil {
			set(r, words[w])
		}
	}
	return nil
}

// column reads one number for each of n results.
func (d *decoder) column(n int, of func(i int) *power.InstanceResult, set func(*power.InstanceResult, uint64)) {
	for i := range n {
		v := d.uvarint()
		if r := of(i); r != nil {
			set(r, v)
		}
	}
}

func setAttempts(r *power.InstanceResult, v uint64) {
	r.Attempts = int(v & 0x7fffffff) //nolint:gosec // masked
}

func setReached(base int64) func(*power.InstanceResult, uint64) {
	return func(r *power.InstanceResult, v uint64) {
		if v > 0 {
			r.ReachedAt = time.UnixMilli(base + int64(v-1)).UTC() //nolint:gosec // milliseconds
		}
	}
}

func setHTTPStatus(r *power.InstanceResult, v uint64) {
	r.HTTPStatus = int(v & 0xffff) //nolint:gosec // masked
}

func setBoot(r *power.InstanceResult, v uint64) {
	r.BootDuration = time.Duration(v) * time.Millisecond //nolint:gosec // milliseconds
}

// encodeResults writes everything of results but the ids.
func encodeResults(results []power.InstanceResult) ([]byte, error) {
	packed, err := pack(appendResults(nil, results))
	if err != nil {
		return nil, err
	}
	return append([]byte{resultsVersion}, packed...), nil
}

// unpackResults returns the columns of results that encodeResults wrote.
func unpackResults(data []byte) ([]byte, error) {
	rest, err := knownVersion(data)
	if err != nil {
		return nil, err
	}
	return unpack(rest)
}

// knownVersion returns what follows the version of results.
func knownVersion(data []byte) ([]byte, error) {
	switch {
	case len(data) == 0:
		return nil, errCut
	case data[0] != resultsVersion:
		return nil, fmt.Errorf("results: written in version %d, this zecpower knows %d", data[0], resultsVersion)
	}
	return data[1:], nil
}

// EncodeChunk writes results that became final at one time: ids and columns in one value.
func EncodeChunk(results []power.InstanceResult) []byte {
	ids := joinIDs(idsOf(results))
	out := binary.AppendUvarint([]byte{resultsVersion}, uint64(len(ids)))
	return appendResults(append(out, ids...), results)
}

// DecodeChunk reads what EncodeChunk wrote.
func DecodeChunk(data []byte) ([]power.InstanceResult, error) {
	rest, err := knownVersion(data)
	if err != nil {
		return nil, err
	}
	d := decoder{rest: rest}
	n := d.count()
	if d.err != nil {
		return nil, d.err
	}
	return decodeResults(d.rest[n:], splitIDs(d.rest[:n]))
}

// ResultsOfSchema1 returns results, or a chunk of them, that were written before they had a
// version.
func ResultsOfSchema1(data []byte) []byte { return append([]byte{1}, data...) }

// acceptedVersion begins the accepted ids of facts.
const acceptedVersion = 1

// EncodeAccepted writes the accepted requests of facts; an id holds no line break.
func EncodeAccepted(requests int, ids []string) []byte {
	out := binary.AppendUvarint([]byte{acceptedVersion}, uint64(max(requests, 0)))
	return append(out, joinIDs(ids)...)
}

// DecodeAccepted reads what EncodeAccepted wrote.
func DecodeAccepted(data []byte) (requests int, ids []string, err error) {
	if len(data) == 0 || data[0] != acceptedVersion {
		return 0, nil, fmt.Errorf("accepted ids: not of version %d", acceptedVersion)
	}
	d := decoder{rest: data[1:]}
	requests = int(min(d.uvarint(), math.MaxInt32))
	return requests, splitIDs(d.rest), d.err
}

// AcceptedOfSchema1 returns the ids of one accepted request that were written before they had a
// version.
func AcceptedOfSchema1(data []byte) []byte { return EncodeAccepted(1, splitIDs(data)) }

// ChunkKey distinguishes the outcomes of a run's group: the same instances give the same key.
func ChunkKey(results []power.InstanceResult) string {
	h := fnv.New64a()
	_, _ = h.Write(joinIDs(idsOf(results)))
	return strconv.FormatUint(h.Sum64(), 36)
}
