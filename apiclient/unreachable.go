package apiclient

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
)

// Unreachable reports whether the request failed on the way in a manner that waiting does not mend:
// the host name does not exist, the proxy is not reached or refuses the connection, or the
// certificate is not trusted. After such an error nothing was sent to the API.
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
	if proxy, ok := errors.AsType[*proxyError](e.Err); ok {
		return proxy.status/100 == 4
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](e.Err); ok {
		return true
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](e.Err); ok {
		return true
	}
	return errors.Is(e.Err, http.ErrSchemeMismatch) // the other end does not speak TLS
}

// proxyError is a proxy that does not connect this host with the API.
type proxyError struct {
	proxy  string // host and port
	status int
}

// Error implements error.
func (e *proxyError) Error() string {
	return fmt.Sprintf("the proxy %s does not connect to it: %d %s", e.proxy, e.status, http.StatusText(e.status))
}

// checkProxy names the proxy in the error of a refused CONNECT, which else is its status alone. It
// leaves out user and password of the proxy's URL.
func checkProxy(_ context.Context, proxy *url.URL, _ *http.Request, reply *http.Response) error {
	if reply.StatusCode == http.StatusOK {
		return nil
	}
	return &proxyError{proxy.Host, reply.StatusCode}
}
