package event

import (
	"testing"
)

// A panic of a listener keeps the event from none, and reaches the emitter.
func TestEveryListenerHasAnEventThoughOnePanics(t *testing.T) {
	var heard []int
	listener := func(i int) Listener {
		return Func(func(Event) {
			heard = append(heard, i)
			if i == 1 {
				panic("injected")
			}
		})
	}
	defer func() {
		if v := recover(); v != "injected" || len(heard) != 3 || heard[0] != 0 || heard[2] != 2 {
			t.Errorf("panicked with %v, heard in the order %v", v, heard)
		}
	}()
	Stream{listener(0), listener(1), listener(2)}.Emit(ClockStepped{})
}

// A guarded emitter outlives every panic of a listener, also one of the report about it.
func TestAGuardedPanicEndsThatCallAlone(t *testing.T) {
	var heard []Event
	stubborn := true
	emit := Guarded(func(e Event) {
		heard = append(heard, e)
		if _, report := e.(InternalError); !report || stubborn {
			panic("injected")
		}
	}, "a test")
	emit(ClockStepped{})
	stubborn = false
	emit(ClockStepped{})
	if len(heard) != 4 {
		t.Fatalf("%d calls: %v", len(heard), heard)
	}
	if report := heard[3].(InternalError); report.Err.Error() != "a panic in a listener to a test: injected" || len(report.Stack) == 0 {
		t.Errorf("%+v", report)
	}
}

func TestProgressIsTheSumOverTheAccounts(t *testing.T) {
	var tally Tally
	run := Run{ID: "wake/1"}
	tally.Receive(RunStarted{Run: run, Accounts: map[string]int{"default": 30, "hk": 12}})
	if p, begun := tally.Progress("wake/1"); p != (Progress{Total: 42}) || !begun {
		t.Errorf("at the beginning: %+v %v", p, begun)
	}
	tally.Receive(Progressed{Account: "hk", Run: run, Progress: Progress{Total: 12, Final: 5, Failed: 2, Pending: 3}})
	tally.Receive(Progressed{Account: "default", Run: run, Progress: Progress{Total: 30, Final: 1, Pending: 9}})
	if p, _ := tally.Progress("wake/1"); p != (Progress{Total: 42, Final: 6, Failed: 2, Pending: 12}) {
		t.Errorf("on the way: %+v", p)
	}
	for _, end := range []Event{RunFinished{Run: run}, RunSuspended{Run: run}} {
		tally.Receive(RunStarted{Run: run, Accounts: map[string]int{"default": 1}})
		tally.Receive(end)
		if p, begun := tally.Progress("wake/1"); begun || p != (Progress{}) {
			t.Errorf("after %T: %+v", end, p)
		}
	}
}
