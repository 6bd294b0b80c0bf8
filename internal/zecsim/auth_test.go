package zecsim

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"zecpower/apiclient"
)

func TestSignaturesThatAreMadeAsDocumentedAreAccepted(t *testing.T) {
	for name, tweak := range map[string]func(c *caller, r *http.Request){
		"as the SDK signs": func(*caller, *http.Request) {},
		"charset in the content type": func(c *caller, r *http.Request) {
			r.Header.Set("Content-Type", "application/json; charset=UTF-8")
			c.sign(r, "{}", time.Now())
		},
		"further headers signed": func(c *caller, r *http.Request) {
			r.Header.Set("X-ZC-Service", "ZEC")
			c.sign(r, "{}", time.Now(), "x-zc-action", "x-zc-service")
		},
		"names in another case, no spaces": func(_ *caller, r *http.Request) {
			a := r.Header.Get("Authorization")
			a = strings.NewReplacer(", ", ",", "Credential", "credential", "content-type;host", "Content-Type;Host").Replace(a)
			r.Header.Set("Authorization", a)
		},
		"the list in another order": func(_ *caller, r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "content-type;host", "host;content-type", 1))
		},
		"more spaces": func(_ *caller, r *http.Request) {
			a := strings.ReplaceAll(r.Header.Get("Authorization"), ",", " , ")
			r.Header.Set("Authorization", "  "+strings.Replace(a, " ", "   ", 1)+"  ")
		},
		"four minutes old":                func(c *caller, r *http.Request) { c.sign(r, "{}", time.Now().Add(-4*time.Minute)) },
		"the older version of the API":    func(_ *caller, r *http.Request) { r.Header.Set("X-ZC-Version", "2024-04-01") },
		"the SDK's own headers beside it": func(_ *caller, r *http.Request) { r.Header.Set("x-zc-request-client", "zeno") },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, Options{Instances: 1}, func(t *testing.T, _ *Simulator, c *caller) {
				c.tweak = func(r *http.Request) { tweak(c, r) }
				c.call("DescribeInstances", "{}").want(t, 200, "")
			})
		})
	}
}

func TestSignaturesThatAreWrongAreRefused(t *testing.T) {
	for name, tweak := range map[string]func(c *caller, r *http.Request){
		"wrong secret":             func(c *caller, r *http.Request) { c.key = "demx"; c.sign(r, "{}", time.Now()) },
		"unknown key":              func(c *caller, r *http.Request) { c.id = "demx"; c.sign(r, "{}", time.Now()) },
		"body changed after":       func(c *caller, r *http.Request) { c.sign(r, "{ }", time.Now()) },
		"header changed after":     func(_ *caller, r *http.Request) { r.Header.Set("Content-Type", "application/json; charset=utf-8") },
		"timestamp changed after":  func(_ *caller, r *http.Request) { r.Header.Set("X-ZC-Timestamp", "946684801") },
		"six minutes old":          func(c *caller, r *http.Request) { c.sign(r, "{}", time.Now().Add(-6*time.Minute)) },
		"six minutes ahead":        func(c *caller, r *http.Request) { c.sign(r, "{}", time.Now().Add(6*time.Minute)) },
		"absurd timestamp":         func(_ *caller, r *http.Request) { r.Header.Set("X-ZC-Timestamp", "9223372036854775807") },
		"no timestamp":             func(_ *caller, r *http.Request) { r.Header.Del("X-ZC-Timestamp") },
		"no signature method":      func(_ *caller, r *http.Request) { r.Header.Del("X-ZC-Signature-Method") },
		"a signed header not sent": func(c *caller, r *http.Request) { c.sign(r, "{}", time.Now(), "x-zc-service") },
		"host not signed": func(_ *caller, r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "content-type;host", "content-type", 1))
		},
		"a header twice": func(_ *caller, r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "content-type;host", "content-type;host;host", 1))
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, Options{Instances: 1, KeepRequests: true}, func(t *testing.T, s *Simulator, c *caller) {
				c.tweak = func(r *http.Request) { tweak(c, r) }
				c.call("DescribeInstances", "{}").want(t, 401, apiclient.CodeSignatureFailure)
				if note := s.Requests()[0].Note; note == "" || s.Truth().AuthFailures != 1 {
					t.Errorf("note %q, %d authentication failures counted", note, s.Truth().AuthFailures)
				}
			})
		})
	}
}

func TestBearerTokenAndMissingAuthorization(t *testing.T) {
	o := Options{Instances: 1, Credentials: []apiclient.Credentials{{Token: apiclient.NewSecret("tok")}}}
	inBubble(t, o, func(t *testing.T, _ *Simulator, c *caller) {
		c.call("DescribeInstances", "{}").want(t, 401, apiclient.CodeSignatureFailure) // demo is not known here
		c.token = "tok"
		c.call("DescribeInstances", "{}").want(t, 200, "")
		c.token = "tok2"
		c.call("DescribeInstances", "{}").want(t, 401, codeBadAuthorization)
		c.tweak = func(r *http.Request) { r.Header.Del("Authorization") }
		c.call("DescribeInstances", "{}").want(t, 401, codeBadAuthorization)
	})
}

// The API reference's own example, checked by the server side.
func TestPublishedExampleIsAccepted(t *testing.T) {
	o := Options{
		Instances:   1,
		Credentials: []apiclient.Credentials{{AccessKeyID: "KEY", AccessKeySecret: apiclient.NewSecret("Gu5t9xGARNpq86cd98joQYCN3")}},
		Now:         func() time.Time { return time.Unix(1673361177, 0) },
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	send := func(body string) int {
		r := httptest.NewRequest(http.MethodPost, "https://console.zenlayer.com/api/v2/zec", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json; charset=utf-8")
		r.Header.Set("X-ZC-Action", "DescribeInstances")
		r.Header.Set("X-ZC-Version", "2025-09-01")
		r.Header.Set("X-ZC-Timestamp", "1673361177")
		r.Header.Set("X-ZC-Signature-Method", "ZC2-HMAC-SHA256")
		r.Header.Set("Authorization", "ZC2-HMAC-SHA256 Credential=KEY, SignedHeaders=content-type;host, "+
			"Signature=efb356c32e55c781e10dc676da59462c22596d82e91c57803666243379555b2f")
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		return w.Code
	}
	if got := send(`{"pageSize":10,"pageNum":1,"zoneId":"HKG-A"}`); got != 200 {
		t.Errorf("the published example got HTTP %d", got)
	}
	if got := send(`{"pageSize":10,"pageNum":2,"zoneId":"HKG-A"}`); got != 401 {
		t.Errorf("the published signature with another body got HTTP %d", got)
	}
}

func TestServerClockThatIsOffShowsInDateAndRefusesSignatures(t *testing.T) {
	inBubble(t, Options{Instances: 1, ClockOffset: 10 * time.Minute}, func(t *testing.T, _ *Simulator, c *caller) {
		a := c.call("DescribeInstances", "{}")
		a.want(t, 401, apiclient.CodeSignatureFailure)
		date, err := http.ParseTime(a.header.Get("Date"))
		if err != nil || time.Until(date).Round(time.Second) != 10*time.Minute {
			t.Errorf("Date is %v (%v), the clock %v", date, err, time.Now())
		}
	})
}
