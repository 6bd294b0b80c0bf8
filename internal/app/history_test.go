package app

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"zecpower/internal/store"
)

// slowStore answers no query before its context ends.
type slowStore struct{ store.Store }

func (slowStore) History(ctx context.Context, _ store.Query) ([]store.Entry, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestAHistoryQueryEndsWhenItsClientLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zap.ErrorLevel)
		ctx, leave := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, leave)
		begin := time.Now()
		(&Daemon{store: slowStore{}, log: zap.New(core)}).historyHandler().ServeHTTP(
			httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, "GET", "/v1/history", nil))
		if took := time.Since(begin); took != time.Second || logs.Len() != 0 {
			t.Errorf("it took %s and logged %v", took, logs.All())
		}
	})
}

func TestAHistoryQueryThatTakesTooLongSaysWhatToDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answer := httptest.NewRecorder()
		(&Daemon{store: slowStore{}, log: zap.NewNop()}).historyHandler().ServeHTTP(
			answer, httptest.NewRequestWithContext(t.Context(), "GET", "/v1/history", nil))
		if answer.Code != 500 || !strings.Contains(answer.Body.String(), "ask for less, with --since") {
			t.Errorf("%d %s", answer.Code, answer.Body)
		}
	})
}
