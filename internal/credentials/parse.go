package credentials

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"zecpower/apiclient"
)

// profile is one set of credentials in the form that zeno writes. Unknown keys beside these are
// ignored.
type profile struct {
	AccessKeyID     string `json:"access_key_id"`
	AccessKeySecret string `json:"access_key_secret"`
	Token           string `json:"token"`
}

// parse reads the content of a credentials file in either form: JSON, or KEYID:SECRET on one line.
// asked is the profile of --profile, empty where the flag was not given. name is the profile to use
// where the file has profiles. No error quotes the content.
func parse(data []byte, asked, name string) (apiclient.Credentials, error) {
	text := strings.TrimSpace(string(withoutBOM(data)))
	if text == "" {
		return apiclient.Credentials{}, errors.New("the file is empty; write KEYID:SECRET into it")
	}
	if strings.HasPrefix(text, "{") || strings.HasPrefix(text, "[") {
		return parseJSON([]byte(text), asked, name)
	}
	id, secret, found := strings.Cut(text, ":")
	switch {
	case asked != "":
		return apiclient.Credentials{}, fmt.Errorf("the file has no profiles, but %q was asked for; leave --profile out", asked)
	case strings.ContainsAny(text, "\r\n"):
		return apiclient.Credentials{}, errors.New("the file has several lines and is not JSON; write KEYID:SECRET on one line")
	case !found:
		return apiclient.Credentials{}, errors.New(`the file is neither JSON nor KEYID:SECRET; a token is written {"token": "…"}`)
	case id == "":
		return apiclient.Credentials{}, errors.New("the access key id before the colon is missing")
	case secret == "":
		return apiclient.Credentials{}, errors.New("the secret behind the colon is missing")
	}
	return apiclient.Credentials{AccessKeyID: id, AccessKeySecret: apiclient.NewSecret(secret)}, nil
}

// withoutBOM removes the UTF-8 byte order mark that some editors write at the start of a file.
func withoutBOM(data []byte) []byte { return bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")) }

// parseJSON reads {"PROFILE": {"access_key_id": …}}, or one profile's object alone. asked and name
// are as for parse. Asking for a profile of a file that has none is an error.
func parseJSON(data []byte, asked, name string) (apiclient.Credentials, error) {
	var top map[string]json.RawMessage
	if err := json.Unmarshal(data, &top); err != nil {
		return apiclient.Credentials{}, jsonError(data, err)
	}
	if isProfile(top) {
		if asked != "" {
			return apiclient.Credentials{}, fmt.Errorf("the file has no profiles, but %q was asked for; leave --profile out", asked)
		}
		return decodeProfile(data, "the file")
	}
	raw, ok := top[name]
	if !ok {
		return apiclient.Credentials{}, fmt.Errorf("the file has no profile %q; choose another with --profile or ZENLAYER_PROFILE", name)
	}
	return decodeProfile(raw, fmt.Sprintf("profile %q", name))
}

// isProfile reports whether top is one profile's object and not a mapping of profiles. It is one
// where a profile's key is present and its value is not an object: a profile may be named "token".
func isProfile(top map[string]json.RawMessage) bool {
	for _, key := range []string{"access_key_id", "access_key_secret", "token"} {
		if raw, ok := top[key]; ok && !bytes.HasPrefix(raw, []byte("{")) {
			return true
		}
	}
	return false
}

func decodeProfile(raw []byte, where string) (apiclient.Credentials, error) {
	var p profile
	if err := json.Unmarshal(raw, &p); err != nil {
		return apiclient.Credentials{}, fmt.Errorf("%s is not an object with the texts access_key_id and access_key_secret, or token", where)
	}
	p.AccessKeyID, p.AccessKeySecret, p.Token = strings.TrimSpace(p.AccessKeyID), strings.TrimSpace(p.AccessKeySecret), strings.TrimSpace(p.Token)
	pair := p.AccessKeyID != "" || p.AccessKeySecret != ""
	switch {
	case pair && p.Token != "":
		return apiclient.Credentials{}, fmt.Errorf("%s has an access key and a token; keep one", where)
	case !pair && p.Token == "":
		return apiclient.Credentials{}, fmt.Errorf("%s has neither access_key_id with access_key_secret nor token; add one", where)
	case pair && p.AccessKeyID == "":
		return apiclient.Credentials{}, fmt.Errorf("%s has an access_key_secret but no access_key_id; add it", where)
	case pair && p.AccessKeySecret == "":
		return apiclient.Credentials{}, fmt.Errorf("%s has an access_key_id but no access_key_secret; add it", where)
	}
	return apiclient.Credentials{
		AccessKeyID:     p.AccessKeyID,
		AccessKeySecret: apiclient.NewSecret(p.AccessKeySecret),
		Token:           apiclient.NewSecret(p.Token),
	}, nil
}

// jsonError gives the line and column at which the JSON is broken. It does not use the decoder's
// own text, which quotes the input and with it perhaps a secret.
func jsonError(data []byte, err error) error {
	var syntax *json.SyntaxError
	if !errors.As(err, &syntax) {
		return errors.New("the JSON is not an object of profiles")
	}
	before := data[:min(int(syntax.Offset), len(data))]
	line := bytes.Count(before, []byte("\n")) + 1
	column := len(before) - (bytes.LastIndexByte(before, '\n') + 1)
	return fmt.Errorf("the JSON is broken at line %d, column %d; a comma or a quote, most likely", line, max(column, 1))
}
