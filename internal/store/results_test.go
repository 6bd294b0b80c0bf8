package store

import (
	"reflect"
	"testing"
	"time"

	"zecpower/internal/power"
	"zecpower/internal/power/powertest"
)

var morning = powertest.Morning

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestResultsSurviveTheirEncoding(t *testing.T) {
	for _, n := range []int{0, 1, 100, 5000} {
		want := powertest.Fleet(n)
		got, err := DecodeChunk(EncodeChunk(want))
		must(t, err)
		if n > 0 && !reflect.DeepEqual(got, want) || len(got) != n {
			t.Errorf("%d results came back different", n)
		}
		packed, err := encodeResults(want)
		must(t, err)
		plain, err := unpackResults(packed)
		must(t, err)
		if got, err = decodeResults(plain, idsOf(want)); err != nil || n > 0 && !reflect.DeepEqual(got, want) {
			t.Errorf("%d packed results came back different: %v", n, err)
		}
	}
}

func TestTheRunForWhichAnInstanceWasSkippedIsKept(t *testing.T) {
	want := powertest.Fleet(50)
	for i := range want {
		if i%7 == 0 {
			want[i] = power.InstanceResult{InstanceID: want[i].InstanceID, Outcome: power.OutcomeSkipped, Reason: power.ReasonSuperseded, By: "night/1"}
		}
	}
	got, err := DecodeChunk(EncodeChunk(want))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("came back different: %v", err)
	}
}

// The HTTP status was added while schema 1 was in use. What was written before has no
// column for it, and must be read for as long as history is kept.
func TestResultsWithoutHTTPStatusesAreRead(t *testing.T) {
	const columns = "\t\astarted\x00\aRUNNING\x02T1\x06failed\brecycled\"OPERATION_DENIED_INSTANCE_RECYCLED\aRECYCLE\x02T2" +
		"\x02\xe0\xffŇ\xbdh\x00\x04\x01\x05\x01\x06\x02\a\x03\b\x01\x02\x01\x00\xb0\xea\x01\x00"
	want := []power.InstanceResult{
		{
			InstanceID: "i-1", Outcome: power.OutcomeStarted, State: "RUNNING", RequestID: "T1", Attempts: 1,
			ReachedAt: morning.Add(90 * time.Second), BootDuration: 30 * time.Second,
		},
		{
			InstanceID: "i-2", Outcome: power.OutcomeFailed, Reason: power.ReasonRecycled, Code: "OPERATION_DENIED_INSTANCE_RECYCLED",
			State: "RECYCLE", RequestID: "T2", Attempts: 2,
		},
	}
	got, err := DecodeChunk(ResultsOfSchema1([]byte("\ai-1\ni-2" + columns)))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("a chunk: %+v, %v", got, err)
	}
	if got, err = decodeResults([]byte(columns), idsOf(want)); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("results: %+v, %v", got, err)
	}
	one, err := decodeAt([]byte(columns), 2, 1)
	if one.InstanceID = "i-2"; err != nil || !reflect.DeepEqual(one, want[1]) {
		t.Errorf("one result: %+v, %v", one, err)
	}
	if now := appendResults(nil, want); string(now) != columns {
		t.Errorf("results without a status are written in another way than before: %q", now)
	}
}

func TestHTTPStatusesAreKeptOrRefused(t *testing.T) {
	want := []power.InstanceResult{powertest.Started("i-1"), powertest.Failed("i-2", power.ReasonRejected), powertest.Failed("i-3", power.ReasonRejected)}
	want[1].HTTPStatus, want[2].HTTPStatus = 409, 599
	plain := appendResults(nil, want)
	got, err := decodeResults(plain, idsOf(want))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := decodeResults(plain[:len(plain)-1], idsOf(want)); err == nil {
		t.Error("a column that is cut short was taken for whole")
	}
}

func TestResultsOfAnotherListAreRefused(t *testing.T) {
	if _, err := decodeResults(appendResults(nil, powertest.Fleet(3)), []string{"i-1"}); err == nil {
		t.Error("three results for one id")
	}
	for _, data := range [][]byte{nil, {9}, {packedFlate, 1, 2, 3}} {
		if _, err := unpack(data); err == nil {
			t.Errorf("unpacked %v", data)
		}
	}
	for _, data := range [][]byte{nil, {resultsVersion + 1, packedNot}} {
		if _, err := unpackResults(data); err == nil {
			t.Errorf("unpacked results %v", data)
		}
		if _, err := DecodeChunk(data); err == nil {
			t.Errorf("decoded a chunk %v", data)
		}
	}
}

// FuzzDecodeChunk: noise is an error or results, never a panic or a flood of memory.
func FuzzDecodeChunk(f *testing.F) {
	f.Add([]byte{})
	f.Add(EncodeChunk(powertest.Fleet(3)))
	f.Add(EncodeChunk(powertest.Fleet(100))[:200])
	f.Fuzz(func(t *testing.T, data []byte) {
		results, err := DecodeChunk(data)
		if err == nil && len(results) > len(data) {
			t.Errorf("%d results from %d bytes", len(results), len(data))
		}
	})
}
