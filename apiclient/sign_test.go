package apiclient

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// The API reference's own worked example.
func TestSignatureIsThatOfThePublishedExample(t *testing.T) {
	const want = "efb356c32e55c781e10dc676da59462c22596d82e91c57803666243379555b2f"
	c := Credentials{AccessKeyID: "KEY", AccessKeySecret: NewSecret("Gu5t9xGARNpq86cd98joQYCN3")}
	body := []byte(`{"pageSize":10,"pageNum":1,"zoneId":"HKG-A"}`)
	got := Sign(c, time.Unix(1673361177, 0), "application/json; charset=utf-8", "console.zenlayer.com", body)
	if !strings.HasSuffix(got, "Signature="+want) {
		t.Errorf("authorization is %q, want the signature %s", got, want)
	}
	if !strings.HasPrefix(got, "ZC2-HMAC-SHA256 Credential=KEY, SignedHeaders=content-type;host, ") {
		t.Errorf("authorization is %q, not in the documented form", got)
	}
}

func TestTokenIsSentAsBearer(t *testing.T) {
	got := Sign(Credentials{Token: NewSecret("tok")}, time.Now(), contentTypeJSON, "h", nil)
	if got != "Bearer tok" {
		t.Errorf("authorization is %q", got)
	}
}

func TestSecretIsNeverPrinted(t *testing.T) {
	c := Credentials{AccessKeyID: "KEY", AccessKeySecret: NewSecret("hunter2"), Token: NewSecret("hunter2")}
	text, err := c.Token.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	printed := string(text)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		hidden := struct{ inner Credentials }{c} // fmt asks no methods here
		printed += fmt.Sprintf(verb, c) + fmt.Sprintf(verb, c.Token) + fmt.Sprintf(verb, &c) + fmt.Sprintf(verb, hidden)
	}
	if strings.Contains(printed, "hunter2") || strings.Contains(printed, fmt.Sprintf("%x", "hunter2")) {
		t.Errorf("a secret was printed: %s", printed)
	}
}

func TestCredentialsAreOnePairOrOneToken(t *testing.T) {
	s := NewSecret("s")
	for name, tc := range map[string]struct {
		c  Credentials
		ok bool
	}{
		"pair":           {Credentials{AccessKeyID: "k", AccessKeySecret: s}, true},
		"token":          {Credentials{Token: s}, true},
		"none":           {Credentials{}, false},
		"both":           {Credentials{AccessKeyID: "k", AccessKeySecret: s, Token: s}, false},
		"id alone":       {Credentials{AccessKeyID: "k"}, false},
		"secret alone":   {Credentials{AccessKeySecret: s}, false},
		"id and a token": {Credentials{AccessKeyID: "k", Token: s}, false},
	} {
		if err := tc.c.Validate(); (err == nil) != tc.ok {
			t.Errorf("%s: Validate gave %v", name, err)
		}
	}
}
