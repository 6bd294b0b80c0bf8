package apiclient

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
)

// Unreachable reports whether the request failed on the way in a manner that waiting does not mend:
// the host name does not exist, the proxy is not reached, or the certificate is not trusted. After
// such an error nothing was sent to the API.
func (e *Error) Unreachable() bool {
	if e.HTTPStatus != 0 {
		return false
	}
	if name, ok := errors.AsType[*net.DNSError](e.Err); ok {
		return name.IsNotFound
	}
	if op, ok := errors.AsType[*net.OpError](e.Err); ok && op.Op == "proxyconnect" {
		return true
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](e.Err); ok {
		return true
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](e.Err); ok {
		return true
	}
	return errors.Is(e.Err, http.ErrSchemeMismatch) // the other end does not speak TLS
}
