package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"zecpower/apiclient"
)

// The secrets of the test: no other text has such words.
const (
	plantedSecret = "Xq7SECRETplanted0Gu5t9xGARNpq86cd"
	plantedToken  = "Yw3TOKENplanted0aZ41kk20dkk29dka"
)

// A whole life with a secret and a token leaves them nowhere.
func TestSecretsShowNowhere(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		credentials apiclient.Credentials
		env         string
	}{
		"key pair": {apiclient.Credentials{AccessKeyID: "planted", AccessKeySecret: apiclient.NewSecret(plantedSecret)}, "ZENLAYER_ACCESS_KEY_SECRET=" + plantedSecret},
		"token":    {apiclient.Credentials{Token: apiclient.NewSecret(plantedToken)}, "ZENLAYER_TOKEN=" + plantedToken},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := oddFleet()
			o.Credentials = []apiclient.Credentials{c.credentials}
			w := newWorld(t, o)
			w.env = append(w.env, "ZENLAYER_ACCESS_KEY_ID=planted", c.env)
			d, _ := w.punctual(w.configureOdd, "--log.level", "debug")
			d.await("run finished", 2)
			noSecret(t, "the command line", commandLine(t, d))
			for _, path := range []string{"/metrics", "/", "/-/ready", "/debug/pprof/cmdline", "/debug/vars"} {
				_, body := d.get(path)
				noSecret(t, path, body)
			}
			for _, args := range [][]string{
				{"status", "--state-dir", w.state()},
				{"status", "--state-dir", w.state(), "--output", "json"},
				{"history", "--state-dir", w.state(), "--output", "json"},
				{"start", "--config", "c.yaml", "left", "--log.level", "debug"},
				{"start", "--config", "c.yaml", "nosuch"},
				{"run", "--config", "c.yaml", "--state-dir", w.state()},
			} {
				stdout, stderr, _ := w.run(args...)
				noSecret(t, strings.Join(args, " "), stdout+stderr)
			}
			d.stop()
			noSecret(t, "the daemon's output", d.out.String()+d.log.String())
			noSecretInFiles(t, w.dir)
		})
	}
}

// What is wrong with credentials is said without them, also where the API refuses them.
func TestWrongCredentialsAreNotRepeated(t *testing.T) {
	t.Parallel()
	w := newWorld(t, healthyFleet(2))
	w.configure("groups: {web: {instances: [i-000000]}}\nschedules: {yearly: {cron: \"@yearly\", action: start, groups: [web]}}\n")
	for name, content := range map[string]string{
		"refused":  "planted:" + plantedSecret,
		"json":     `{"default": {"access_key_id": "planted", "access_key_secret": "` + plantedSecret + `"`,
		"number":   `{"default": {"access_key_id": 7, "access_key_secret": "` + plantedSecret + `"}}`,
		"half":     `{"default": {"access_key_secret": "` + plantedSecret + `"}}`,
		"both":     `{"default": {"access_key_id": "p", "access_key_secret": "` + plantedSecret + `", "token": "` + plantedToken + `"}}`,
		"profile":  `{"` + plantedSecret + `": {"token": "` + plantedToken + `"}}`,
		"bare":     plantedSecret,
		"swapped":  plantedSecret + ",:planted",
		"lines":    "planted:\n" + plantedSecret,
		"readable": "planted:" + plantedSecret,
	} {
		t.Run(name, func(t *testing.T) {
			w.write(name, content)
			want := 2
			switch name {
			case "refused":
				want = 1
			case "readable":
				chmod(t, w.path(name), 0o644)
			}
			stdout, stderr, status := w.run("start", "--config", "c.yaml", "web", "--credentials-file", w.path(name), "--log.level", "debug")
			if status != want {
				t.Errorf("status %d, want %d: %s", status, want, stderr)
			}
			noSecret(t, name, stdout+stderr)
		})
	}
	t.Run("the secret itself as an argument", func(t *testing.T) {
		_, stderr, status := w.run("start", "--config", "c.yaml", "web", "--credentials-file", "planted:"+plantedSecret)
		if status != 2 {
			t.Errorf("status %d, want 2", status)
		}
		noSecret(t, "error", stderr)
	})
}

// A crash dumps every goroutine's stack; arguments in it are addresses.
func TestACrashDumpHoldsNoSecret(t *testing.T) {
	t.Parallel()
	w := newWorld(t, oddFleet())
	w.env = append(w.env, "ZENLAYER_ACCESS_KEY_SECRET="+plantedSecret, "GOTRACEBACK=all")
	w.configureOdd("@every 1s")
	d := w.daemon()
	d.await("run started", 1)
	d.signal(syscall.SIGQUIT)
	if status := d.wait(); status != 2 || !strings.Contains(d.log.String(), "goroutine ") {
		t.Errorf("no dump, status %d", status)
	}
	noSecret(t, "the dump", d.log.String())
}

// noSecret looks for the planted words as they are, and as they might be encoded.
func noSecret(t *testing.T, where, text string) {
	t.Helper()
	for _, secret := range []string{plantedSecret, plantedToken} {
		encoded := base64.StdEncoding.EncodeToString([]byte(secret))
		for _, form := range []string{secret, encoded[:len(encoded)-4], hex.EncodeToString([]byte(secret))} {
			if strings.Contains(text, form) {
				t.Errorf("%s holds a secret", where)
			}
		}
	}
}

func noSecretInFiles(t *testing.T, dir string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		noSecret(t, path, string(data))
		files++
		return err
	})
	if err != nil || files < 4 {
		t.Errorf("%d files checked: %v", files, err)
	}
}

func commandLine(t *testing.T, p *process) string {
	t.Helper()
	data, err := os.ReadFile("/proc/" + strconv.Itoa(p.cmd.Process.Pid) + "/cmdline")
	if err != nil {
		t.Skipf("needs /proc: %v", err)
	}
	return string(bytes.ReplaceAll(data, []byte{0}, []byte{' '}))
}
