package apiclient

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"time"
)

// Wire names of a request, as the ZEC API reference gives them.
const (
	// Path is the one path of every action.
	Path = "/api/v2/zec"
	// SignatureMethod names the only signature scheme of the API.
	SignatureMethod = "ZC2-HMAC-SHA256"

	HeaderAction          = "X-ZC-Action"
	HeaderVersion         = "X-ZC-Version"
	HeaderTimestamp       = "X-ZC-Timestamp"
	HeaderSignatureMethod = "X-ZC-Signature-Method"

	contentTypeJSON = "application/json"
	signedHeaders   = "content-type;host"
)

// Sign returns the Authorization header of one request: a bearer token as it
// is, or a ZC2-HMAC-SHA256 signature over content type, host and body at the
// given time. contentType and host must be those that are sent.
func Sign(c Credentials, at time.Time, contentType, host string, body []byte) string {
	if !c.Token.IsZero() {
		return "Bearer " + c.Token.Reveal()
	}
	headers := canonicalHeader("content-type", contentType) + canonicalHeader("host", host)
	timestamp := strconv.FormatInt(at.Unix(), 10)
	signature := Signature(c.AccessKeySecret, timestamp, headers, signedHeaders, body)
	return SignatureMethod + " Credential=" + c.AccessKeyID +
		", SignedHeaders=" + signedHeaders + ", Signature=" + signature
}

// Signature is the lower-case hex HMAC of the scheme alone. timestamp is in
// Unix seconds; canonicalHeaders holds one "key:value\n" a header in the order
// of signedHeaders, which joins the keys with semicolons. The canonical URI is
// always "/", whatever path is called, and the query is always empty.
func Signature(secret Secret, timestamp, canonicalHeaders, signedHeaders string, body []byte) string {
	canonical := "POST\n/\n\n" + canonicalHeaders + "\n" + signedHeaders + "\n" + hexSHA256(body)
	toSign := SignatureMethod + "\n" + timestamp + "\n" + hexSHA256([]byte(canonical))
	mac := hmac.New(sha256.New, []byte(secret.Reveal()))
	mac.Write([]byte(toSign))
	return hex.EncodeToString(mac.Sum(nil))
}

func canonicalHeader(key, value string) string {
	return key + ":" + strings.ToLower(strings.TrimSpace(value)) + "\n"
}

func hexSHA256(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
