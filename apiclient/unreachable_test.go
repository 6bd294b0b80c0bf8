package apiclient

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"
)

func TestOnlyWhatWaitingDoesNotMendIsUnreachable(t *testing.T) {
	trusted := httptest.NewTLSServer(answer(200, nil, `{}`))
	defer trusted.Close()
	plain := httptest.NewServer(answer(200, nil, `{}`))
	defer plain.Close()
	gone := httptest.NewServer(nil)
	gone.Close()
	for name, tc := range map[string]struct {
		endpoint string
		want     bool
	}{
		"an unknown authority":    {trusted.URL, true},
		"no TLS at the other end": {"https" + plain.URL[len("http"):], true},
		"a refused connection":    {gone.URL, false},
	} {
		c := clientOf(t, Config{Endpoint: tc.endpoint})
		_, err := c.StartInstances(t.Context(), []string{"i-1"})
		if e := failureOf(t, err); e.Unreachable() != tc.want || e.MaybeApplied {
			t.Errorf("%s: unreachable %v: %+v: %v", name, e.Unreachable(), e, err)
		}
	}
	c, _ := serve(t, answer(http.StatusBadGateway, nil, `<html>`))
	_, err := c.StartInstances(t.Context(), []string{"i-1"})
	if failureOf(t, err).Unreachable() {
		t.Errorf("a reply came: %v", err)
	}
}

// What depends on the network of the machine, as net reports it.
func TestNamesAndProxiesThatAreUnreachable(t *testing.T) {
	for name, tc := range map[string]struct {
		err  error
		want bool
	}{
		"no such host":           {&net.DNSError{Err: "no such host", IsNotFound: true}, true},
		"a name server is down":  {&net.DNSError{Err: "server misbehaving", IsTemporary: true}, false},
		"a proxy refuses":        {&net.OpError{Op: "proxyconnect", Err: syscall.ECONNREFUSED}, true},
		"a proxy wants a login":  {&proxyError{"proxy:3128", http.StatusProxyAuthRequired}, true},
		"a proxy is overloaded":  {&proxyError{"proxy:3128", http.StatusServiceUnavailable}, false},
		"the host refuses":       {&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, false},
		"the network is down":    {&net.OpError{Op: "dial", Err: syscall.ENETUNREACH}, false},
		"nothing below the HTTP": {nil, false},
	} {
		e := &Error{Action: ActionStartInstances, Class: ClassTransient, Err: fmt.Errorf("api: %w", errors.Join(tc.err))}
		if tc.err == nil {
			e.Err = nil
		}
		if e.Unreachable() != tc.want {
			t.Errorf("%s: unreachable %v", name, e.Unreachable())
		}
	}
}
