package zecsim

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// certificate makes one for 127.0.0.1 and the pool that trusts it.
func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "sim"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// serve runs a simulator on a loopback port until the test ends.
func serve(t *testing.T, o Options, config *tls.Config) (s *Simulator, address string, stop func() error) {
	t.Helper()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, ln, config) }()
	stop = sync.OnceValue(func() error { cancel(); return <-done })
	t.Cleanup(func() { _ = stop() })
	return s, ln.Addr().String(), stop
}

func TestServeOverTCPAndTLS(t *testing.T) {
	cert, pool := certificate(t)
	for name, tc := range map[string]struct {
		server, client *tls.Config
		http2          bool
		proto          string
	}{
		"plain":    {nil, nil, false, "HTTP/1.1"},
		"TLS":      {&tls.Config{Certificates: []tls.Certificate{cert}}, &tls.Config{RootCAs: pool}, false, "HTTP/1.1"},
		"HTTP/2":   {&tls.Config{Certificates: []tls.Certificate{cert}}, &tls.Config{RootCAs: pool}, true, "HTTP/2.0"},
		"no trust": {&tls.Config{Certificates: []tls.Certificate{cert}}, &tls.Config{}, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			o := Options{Instances: 2, Faults: []Fault{{Kind: FaultAppliedLost, Probability: 1, Actions: []string{"StartInstances"}}}}
			s, address, stop := serve(t, o, tc.server)
			tr := &http.Transport{TLSClientConfig: tc.client, ForceAttemptHTTP2: tc.http2}
			defer tr.CloseIdleConnections()
			c := &caller{t: t, http: &http.Client{Transport: tr}, base: "http://" + address, id: "demo", key: "demo"}
			if tc.server != nil {
				c.base = "https://" + address
			}
			a := c.call("DescribeInstances", "{}")
			if tc.proto == "" {
				if a.err == nil {
					t.Error("an unknown certificate was trusted")
				}
				return
			}
			a.want(t, 200, "")
			if a := c.start("i-000000"); a.err == nil {
				t.Errorf("a lost reply arrived: %s", a.raw)
			}
			if truth := s.Truth(); truth.AcceptedStarts != 1 {
				t.Errorf("truth is %+v", truth)
			}
			if err := stop(); err != nil {
				t.Errorf("serving ended with %v", err)
			}
		})
	}
}

func TestServeBreaksOffWhatIsUnderWay(t *testing.T) {
	s, address, stop := serve(t, withFault(Fault{Kind: FaultSlow, Applied: AppliedAlways}), nil)
	c := &caller{t: t, http: &http.Client{Transport: &http.Transport{}}, base: "http://" + address, id: "demo", key: "demo"}
	got := make(chan answer)
	go func() { got <- c.start("i-000000") }()
	for s.Truth().AcceptedStarts == 0 {
		time.Sleep(time.Millisecond)
	}
	if err := stop(); err != nil {
		t.Errorf("serving ended with %v", err)
	}
	if a := <-got; a.err == nil {
		t.Errorf("a reply came: %s", a.raw)
	}
	if _, err := net.Dial("tcp", address); err == nil {
		t.Error("it still listens")
	}
}

func TestServeReportsAListenerThatFails(t *testing.T) {
	s, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	if err := s.Serve(context.Background(), ln, nil); !errors.Is(err, net.ErrClosed) {
		t.Errorf("serving a closed listener ended with %v", err)
	}
}

func TestPipeIsShutForGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := New(Options{})
		if err != nil {
			t.Fatal(err)
		}
		dial, shut := s.Pipe()
		ctx, cancel := context.WithCancel(context.Background())
		idle, err := dial(ctx)
		if err != nil {
			t.Fatal(err)
		}
		shut()
		shut()
		if _, err := idle.Read(make([]byte, 1)); err == nil {
			t.Error("a connection outlived the pipe")
		}
		if _, err := dial(ctx); !errors.Is(err, net.ErrClosed) {
			t.Errorf("dialling a shut pipe gives %v", err)
		}
		cancel()
	})
}

func TestConnectionsAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
		ln := newLimitListener(inner, 2)
		accepted := make(chan net.Conn, 10)
		go func() {
			for {
				c, err := ln.Accept()
				if err != nil {
					return
				}
				accepted <- c
			}
		}()
		for range 4 {
			go func() { _, _ = inner.dial(context.Background()) }()
		}
		synctest.Wait()
		if len(accepted) != 2 {
			t.Fatalf("%d connections at once, want 2", len(accepted))
		}
		c := <-accepted
		c.Close()
		c.Close()
		synctest.Wait()
		if len(accepted) != 2 {
			t.Errorf("%d connections after one was closed twice, want 2", len(accepted))
		}
		ln.Close()
	})
}

// Broken connections are the simulator's job: none of them may end up in a log.
func TestNothingIsLogged(t *testing.T) {
	var out bytes.Buffer
	log.SetOutput(&out)
	defer log.SetOutput(os.Stderr)
	for _, k := range []FaultKind{FaultAppliedLost, FaultCut, FaultSlow, FaultEndless} {
		inBubble(t, withFault(Fault{Kind: k}), func(t *testing.T, s *Simulator, c *caller) {
			c.start("i-000000")
		})
	}
	if out.Len() > 0 {
		t.Errorf("logged: %s", out.String())
	}
}
