package main

import (
	"net"
	"net/netip"
	"testing"
)

func TestASimulatorOnAllAddressesIsNamedByOneThatAnswers(t *testing.T) {
	t.Parallel()
	for listens, want := range map[string]string{
		"[::]:9822": "127.0.0.1:9822", "0.0.0.0:9822": "127.0.0.1:9822",
		"127.0.0.1:9822": "127.0.0.1:9822", "[::1]:9822": "[::1]:9822", "192.0.2.7:9822": "192.0.2.7:9822",
	} {
		if got := localAddress(net.TCPAddrFromAddrPort(netip.MustParseAddrPort(listens))); got != want {
			t.Errorf("%s is named %s, want %s", listens, got, want)
		}
	}
}
