package apiclient

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
)

// ParseEndpoint checks a base address such as https://console.zenlayer.com.
// http is for loopback addresses only, since a request on the wire carries a
// bearer token or a signature that stays good for minutes. A path, a query or
// credentials in it are errors.
func ParseEndpoint(endpoint string) (*url.URL, error) {
	u, err := url.Parse(endpoint)
	if err != nil {
		return nil, fmt.Errorf("endpoint: not a URL; give one like https://console.zenlayer.com")
	}
	switch {
	case u.User != nil:
		return nil, fmt.Errorf("endpoint %s: credentials do not belong in an address; see the documented credential sources", u.Redacted())
	case u.Host == "" || u.Hostname() == "":
		return nil, fmt.Errorf("endpoint %q: no host; give one like https://console.zenlayer.com", endpoint)
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("endpoint %q: give scheme and host only; the path %s is added", endpoint, Path)
	case u.Scheme == "https":
	case u.Scheme == "http" && isLoopback(u.Hostname()):
	case u.Scheme == "http":
		return nil, fmt.Errorf("endpoint %q: plain http is for loopback addresses only; use https", endpoint)
	default:
		return nil, fmt.Errorf("endpoint %q: the scheme must be https (or http to a loopback address)", endpoint)
	}
	u.Path = ""
	return u, nil
}

// isLoopback takes a host name or address without a port.
func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

// dialLoopbackOnly is a net.Dialer.Control: a name such as localhost can
// resolve to anything, so the address that is really dialled is checked.
func dialLoopbackOnly(_, address string, _ syscall.RawConn) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	if !isLoopback(host) {
		return fmt.Errorf("plain http to %s refused: it is not a loopback address", address)
	}
	return nil
}
