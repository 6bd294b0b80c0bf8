package zecsim

import (
	"crypto/hmac"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"zecpower/apiclient"
)

// maxSkew is how far a request's timestamp may be from the server's clock.
const maxSkew = 5 * time.Minute

// keyring holds the credentials that may call. It never changes.
type keyring struct {
	secrets map[string]apiclient.Secret // by access key id
	tokens  []apiclient.Secret
}

func newKeyring(credentials []apiclient.Credentials) keyring {
	k := keyring{secrets: map[string]apiclient.Secret{}}
	for _, c := range credentials {
		if c.Token.IsZero() {
			k.secrets[c.AccessKeyID] = c.AccessKeySecret
		} else {
			k.tokens = append(k.tokens, c.Token)
		}
	}
	return k
}

// check verifies the credentials of a request; nil where they are good. The API answers the same
// whatever is wrong with a signature; note says what it keeps to itself.
func (k keyring) check(r *http.Request, body []byte, now time.Time) (note string, refusal *reply) {
	scheme, rest, _ := strings.Cut(strings.TrimSpace(r.Header.Get("Authorization")), " ")
	code := apiclient.CodeSignatureFailure
	switch {
	case strings.EqualFold(scheme, "Bearer"):
		note = k.checkToken(strings.TrimSpace(rest))
		code = codeBadAuthorization
	case scheme == apiclient.SignatureMethod:
		note = k.checkSignature(r, rest, body, now)
	default:
		note, code = "no Authorization header of a known scheme", codeBadAuthorization
	}
	if note == "" {
		return "", nil
	}
	a := failure(http.StatusUnauthorized, code, "The request could not be authenticated.")
	return note, &a
}

func (k keyring) checkToken(token string) (problem string) {
	for _, t := range k.tokens {
		if hmac.Equal([]byte(t.Reveal()), []byte(token)) {
			return ""
		}
	}
	return "unknown bearer token"
}

func (k keyring) checkSignature(r *http.Request, authorization string, body []byte, now time.Time) (problem string) {
	fields := parseAuthorization(authorization)
	secret, known := k.secrets[fields["credential"]]
	timestamp := strings.TrimSpace(r.Header.Get(apiclient.HeaderTimestamp))
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	switch {
	case !known:
		return "unknown access key id"
	case strings.TrimSpace(r.Header.Get(apiclient.HeaderSignatureMethod)) != apiclient.SignatureMethod:
		return apiclient.HeaderSignatureMethod + " must be " + apiclient.SignatureMethod
	case err != nil:
		return apiclient.HeaderTimestamp + " must be in Unix seconds"
	}
	if skew := time.Unix(seconds, 0).Sub(now); skew.Abs() > maxSkew {
		return fmt.Sprintf("the timestamp is %s from the server's clock", skew.Round(time.Second))
	}
	headers, signed, problem := canonicalHeaders(r, fields["signedheaders"])
	if problem != "" {
		return problem
	}
	want := apiclient.Signature(secret, timestamp, headers, signed, body)
	if !hmac.Equal([]byte(want), []byte(strings.ToLower(fields["signature"]))) {
		return "the signature does not match: wrong secret, or something was changed after signing"
	}
	return ""
}

// parseAuthorization reads "Credential=…, SignedHeaders=…, Signature=…" with any spacing and case
// of the names.
func parseAuthorization(s string) map[string]string {
	fields := map[string]string{}
	for part := range strings.SplitSeq(s, ",") {
		name, value, _ := strings.Cut(part, "=")
		fields[strings.ToLower(strings.TrimSpace(name))] = strings.TrimSpace(value)
	}
	return fields
}

// canonicalHeaders rebuilds what the client signed from what arrived.
func canonicalHeaders(r *http.Request, list string) (headers, signed, problem string) {
	names := strings.Split(strings.ToLower(list), ";")
	for i := range names {
		names[i] = strings.TrimSpace(names[i])
	}
	slices.Sort(names)
	if len(slices.Compact(slices.Clone(names))) != len(names) {
		return "", "", "SignedHeaders repeats a header"
	}
	if !slices.Contains(names, "content-type") || !slices.Contains(names, "host") {
		return "", "", "SignedHeaders must hold content-type and host"
	}
	var b strings.Builder
	for _, name := range names {
		value := strings.Join(r.Header.Values(name), ",")
		if name == "host" {
			value = r.Host // net/http moves it out of the header
		}
		if value == "" {
			return "", "", "a signed header was not sent"
		}
		fmt.Fprintf(&b, "%s:%s\n", name, strings.ToLower(strings.TrimSpace(value)))
	}
	return b.String(), strings.Join(names, ";"), ""
}
