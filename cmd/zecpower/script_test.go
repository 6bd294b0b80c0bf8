package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"zecpower/apiclient"
	"zecpower/internal/zecsim"
)

// patience bounds every wait of the tests; the machine may be busy.
const patience = 30 * time.Second

// TestScripts runs testdata/script. Beside testscript's own commands:
//
//	api [FILE]           simulated API in this test, of a scenario; sets $ENDPOINT
//	requests ACTION N    so many requests of an action arrived there ("all": of any)
//	states STATE N       so many of its instances are in the state
//	await ACTION N       waits until so many requests arrived
//	expand FILE…         puts variables of the environment into files
//	exits N COMMAND…     like exec, with the exit status
//	freeport NAME        sets a variable to a free loopback address
//	fleet FILE N         writes so many ids into a file
//	certificate C K      writes a certificate for 127.0.0.1 and its key
//	refused MIN MAX      so many requests were refused for their credentials
//	listening ADDR       waits until a process accepts connections there
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script", RequireExplicitExec: true, RequireUniqueNames: true, Setup: setupScript,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"api": scriptAPI, "requests": scriptRequests, "states": scriptStates, "await": scriptAwait,
			"expand": scriptExpand, "exits": scriptExits, "freeport": scriptFreePort, "listening": scriptListening,
			"fleet": scriptFleet, "certificate": scriptCertificate, "refused": scriptRefused,
		},
	})
}

// setupScript keeps a script from the credentials and folders of the user who runs the tests.
func setupScript(env *testscript.Env) error {
	var vars []string
	for _, v := range env.Vars {
		if !strings.HasPrefix(v, "ZENLAYER") && !strings.HasPrefix(v, "CREDENTIALS_DIRECTORY") && !strings.HasPrefix(v, "HOME=") {
			vars = append(vars, v)
		}
	}
	root, err := os.Getwd()
	if err != nil {
		return err
	}
	env.Vars = append(vars, "HOME="+env.WorkDir+"/home", "XDG_STATE_HOME="+env.WorkDir+"/state", "PACKAGE="+root)
	return nil
}

// scriptSims holds the simulator of each running script.
var scriptSims sync.Map // *testscript.TestScript → *zecsim.Simulator

func scriptAPI(ts *testscript.TestScript, _ bool, args []string) {
	options := zecsim.DefaultOptions()
	options.Latency = zecsim.Latency{}
	options.Boot = zecsim.Boot{Time: 50 * time.Millisecond}
	if len(args) > 0 {
		var err error
		options, err = zecsim.LoadScenario(ts.MkAbs(args[0]), 0)
		ts.Check(err)
	}
	sim, endpoint, shut, err := serveSim(options)
	ts.Check(err)
	ts.Defer(shut)
	ts.Setenv("ENDPOINT", endpoint)
	scriptSims.Store(ts, sim)
	ts.Defer(func() { scriptSims.Delete(ts) })
}

// serveSim serves a simulator on a free loopback port.
func serveSim(o zecsim.Options) (sim *zecsim.Simulator, endpoint string, shut func(), err error) {
	if sim, err = zecsim.New(o); err != nil {
		return nil, "", nil, err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, "", nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = sim.Serve(ctx, ln, nil) // its end shows in the test
	}()
	return sim, "http://" + ln.Addr().String(), func() { cancel(); <-done }, nil
}

func scriptSim(ts *testscript.TestScript) *zecsim.Simulator {
	sim, ok := scriptSims.Load(ts)
	if !ok {
		ts.Fatalf("there is no api yet")
	}
	return sim.(*zecsim.Simulator)
}

// actionAndCount reads the arguments of requests, states and await.
func actionAndCount(ts *testscript.TestScript, args []string) (string, int) {
	if len(args) != 2 {
		ts.Fatalf("usage: NAME N")
	}
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	return args[0], n
}

func requestsOf(sim *zecsim.Simulator, action string) int {
	if t := sim.Truth(); action != "all" {
		return t.ByAction[action]
	}
	return sim.Truth().Requests
}

func scriptRequests(ts *testscript.TestScript, neg bool, args []string) {
	action, want := actionAndCount(ts, args)
	if got := requestsOf(scriptSim(ts), action); (got == want) == neg {
		ts.Fatalf("%d requests of %s arrived, negated %v: %d", got, action, neg, want)
	}
}

func scriptStates(ts *testscript.TestScript, _ bool, args []string) {
	state, want := actionAndCount(ts, args)
	if got := scriptSim(ts).Truth().ByState[apiclient.State(state)]; got != want {
		ts.Fatalf("%d instances are %s, want %d", got, state, want)
	}
}

func scriptAwait(ts *testscript.TestScript, _ bool, args []string) {
	action, want := actionAndCount(ts, args)
	ts.Check(eventually(func() error {
		if got := requestsOf(scriptSim(ts), action); got < want {
			return fmt.Errorf("%d requests of %s arrived, want %d", got, action, want)
		}
		return nil
	}))
}

func scriptExpand(ts *testscript.TestScript, _ bool, args []string) {
	for _, name := range args {
		text := os.Expand(ts.ReadFile(name), ts.Getenv)
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(text), 0o600))
	}
}

func scriptExits(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: exits N COMMAND…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		got = e.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

func scriptFreePort(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: freeport NAME")
	}
	addr, err := freePort()
	ts.Check(err)
	ts.Setenv(args[0], addr)
}

func freePort() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return ln.Addr().String(), ln.Close()
}

func scriptListening(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(eventually(func() error {
		conn, err := net.DialTimeout("tcp", args[0], time.Second)
		if err == nil {
			err = conn.Close()
		}
		return err
	}))
}

func scriptFleet(ts *testscript.TestScript, _ bool, args []string) {
	name, n := actionAndCount(ts, args)
	ts.Check(os.WriteFile(ts.MkAbs(name), []byte(fleetFile(n)), 0o600))
}

// fleetFile lists the ids of a simulated fleet, one a line.
func fleetFile(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintln(&b, zecsim.InstanceID(i))
	}
	return b.String()
}

func scriptRefused(ts *testscript.TestScript, _ bool, args []string) {
	least, err := strconv.Atoi(args[0])
	ts.Check(err)
	most, err := strconv.Atoi(args[1])
	ts.Check(err)
	if got := scriptSim(ts).Truth().AuthFailures; got < least || got > most {
		ts.Fatalf("%d requests were refused for their credentials, want %d to %d", got, least, most)
	}
}

func scriptCertificate(ts *testscript.TestScript, _ bool, args []string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	ts.Check(err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}), 0o600))
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
}

// eventually asks until the answer is nil, or patience ends.
func eventually(ask func() error) error {
	deadline := time.Now().Add(patience)
	for {
		err := ask()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(5 * time.Millisecond) // between two questions; nothing depends on it
	}
}
