package bolt

import (
	"reflect"
	"testing"
	"time"

	"zecpower/internal/power"
)

func sample(n int) []power.InstanceResult {
	results := make([]power.InstanceResult, n)
	for i := range results {
		id := instanceID(i)
		switch {
		case i%97 == 0:
			results[i] = failed(id, power.ReasonRecycled)
		case i%53 == 0:
			results[i] = power.InstanceResult{InstanceID: id, Outcome: power.OutcomeAlreadyRunning, State: "RUNNING", ReachedAt: morning}
		default:
			results[i] = started(id)
			results[i].ReachedAt = morning.Add(time.Duration(i*7919%600_000) * time.Millisecond)
			results[i].BootDuration = time.Duration(20_000+i*31%40_000) * time.Millisecond
		}
	}
	return results
}

func instanceID(i int) string {
	const digits = "0123456789"
	id := []byte("1301473919000000000")
	for at, n := len(id)-1, uint64(i)*2654435761%999_999_937; n > 0; at, n = at-1, n/10 {
		id[at] = digits[n%10]
	}
	return string(id)
}

func TestResultsSurviveTheirEncoding(t *testing.T) {
	for _, n := range []int{0, 1, 100, 5000} {
		want := sample(n)
		got, err := decodeChunk(encodeChunk(want))
		must(t, err)
		if n > 0 && !reflect.DeepEqual(got, want) || len(got) != n {
			t.Errorf("%d results came back different", n)
		}
		packed, err := pack(appendResults(nil, want))
		must(t, err)
		plain, err := unpack(packed)
		must(t, err)
		if got, err = decodeResults(plain, idsOf(want)); err != nil || n > 0 && !reflect.DeepEqual(got, want) {
			t.Errorf("%d packed results came back different: %v", n, err)
		}
	}
}

func TestResultsOfAnotherListAreRefused(t *testing.T) {
	if _, err := decodeResults(appendResults(nil, sample(3)), []string{"i-1"}); err == nil {
		t.Error("three results for one id")
	}
	for _, data := range [][]byte{nil, {9}, {packedFlate, 1, 2, 3}} {
		if _, err := unpack(data); err == nil {
			t.Errorf("unpacked %v", data)
		}
	}
}

// FuzzDecodeChunk: noise is an error or results, never a panic or a flood of memory.
func FuzzDecodeChunk(f *testing.F) {
	f.Add([]byte{})
	f.Add(encodeChunk(sample(3)))
	f.Add(encodeChunk(sample(100))[:200])
	f.Fuzz(func(t *testing.T, data []byte) {
		results, err := decodeChunk(data)
		if err == nil && len(results) > len(data) {
			t.Errorf("%d results from %d bytes", len(results), len(data))
		}
	})
}
