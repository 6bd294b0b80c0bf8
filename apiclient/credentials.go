package apiclient

import "errors"

// Credentials prove who calls: an access key pair, which signs each request, or
// a bearer token. Exactly one of the two is set.
type Credentials struct {
	AccessKeyID     string
	AccessKeySecret Secret
	Token           Secret
}

// Validate reports a pair that is not whole, a pair beside a token, or nothing.
func (c Credentials) Validate() error {
	pair := c.AccessKeyID != "" || !c.AccessKeySecret.IsZero()
	switch {
	case pair && !c.Token.IsZero():
		return errors.New("credentials: both an access key pair and a token are set; keep one")
	case !c.Token.IsZero():
		return nil
	case !pair:
		return errors.New("credentials: neither an access key pair nor a token is set")
	case c.AccessKeyID == "":
		return errors.New("credentials: the access key secret has no access key id")
	case c.AccessKeySecret.IsZero():
		return errors.New("credentials: the access key id has no secret")
	}
	return nil
}
