package credentials

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"zecpower/apiclient"
)

// hidden is part of every value in these tests that no error may show.
const hidden = "s3cr3t"

func pairOf(id, secret string) apiclient.Credentials {
	return apiclient.Credentials{AccessKeyID: id, AccessKeySecret: apiclient.NewSecret(secret)}
}

func tokenOf(token string) apiclient.Credentials {
	return apiclient.Credentials{Token: apiclient.NewSecret(token)}
}

// write makes a file of exactly this mode, independent of the umask, and returns its path.
func write(t *testing.T, path, content string, mode fs.FileMode) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func env(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

const zenoFile = `{
  "default": {"access_key_id": "home-id", "access_key_secret": "home-s3cr3t", "region": "x"},
  "staging": {"access_key_id": "", "access_key_secret": "", "token": "staging-s3cr3t"}
}`

// world has credentials in every source. Tests remove them one by one.
type world struct {
	opts Options
	env  map[string]string
}

func fullWorld(t *testing.T) *world {
	dir := t.TempDir()
	w := &world{env: map[string]string{
		"CREDENTIALS_DIRECTORY":             filepath.Join(dir, "creds"),
		"ZENLAYER_TOKEN":                    "env-token-s3cr3t",
		"ZENLAYER_ACCESS_KEY_ID":            "env-id",
		"ZENLAYER_ACCESS_KEY_SECRET":        "env-s3cr3t",
		"ZENLAYERCLOUD_ACCESS_KEY_ID":       "cloud-id",
		"ZENLAYERCLOUD_ACCESS_KEY_PASSWORD": "cloud-s3cr3t",
	}}
	w.opts = Options{
		File:   write(t, filepath.Join(dir, "flag"), "flag-id:flag-s3cr3t\n", 0o600),
		Home:   filepath.Join(dir, "home"),
		Getenv: func(name string) string { return w.env[name] },
	}
	write(t, filepath.Join(dir, "creds", "zenlayer"), "unit-id:unit-s3cr3t", 0o440)
	write(t, filepath.Join(dir, "home", ".zenlayer", "credentials.json"), zenoFile, 0o600)
	return w
}

func TestFirstSourceWinsInTheDocumentedOrder(t *testing.T) {
	w := fullWorld(t)
	home := filepath.Join(w.opts.Home, ".zenlayer", "credentials.json")
	steps := []struct {
		want   apiclient.Credentials
		source string
		remove func()
	}{
		{pairOf("flag-id", "flag-s3cr3t"), "--credentials-file " + w.opts.File, func() { w.opts.File = "" }},
		{pairOf("unit-id", "unit-s3cr3t"), w.env["CREDENTIALS_DIRECTORY"] + "/zenlayer", func() { os.Remove(w.env["CREDENTIALS_DIRECTORY"] + "/zenlayer") }},
		{tokenOf("env-token-s3cr3t"), "ZENLAYER_TOKEN", func() { w.env["ZENLAYER_TOKEN"] = "" }},
		{pairOf("env-id", "env-s3cr3t"), "ZENLAYER_ACCESS_KEY_ID and ZENLAYER_ACCESS_KEY_SECRET", func() {
			delete(w.env, "ZENLAYER_ACCESS_KEY_ID")
			delete(w.env, "ZENLAYER_ACCESS_KEY_SECRET")
		}},
		{pairOf("cloud-id", "cloud-s3cr3t"), "ZENLAYERCLOUD_ACCESS_KEY_ID and ZENLAYERCLOUD_ACCESS_KEY_PASSWORD", func() {
			delete(w.env, "ZENLAYERCLOUD_ACCESS_KEY_ID")
			delete(w.env, "ZENLAYERCLOUD_ACCESS_KEY_PASSWORD")
		}},
		{pairOf("home-id", "home-s3cr3t"), home + ` (profile "default")`, func() { w.env["ZENLAYER_PROFILE"] = "staging" }},
		{tokenOf("staging-s3cr3t"), home + ` (profile "staging")`, func() { w.opts.Profile = "default" }},
		{pairOf("home-id", "home-s3cr3t"), home + ` (profile "default")`, func() { os.Remove(home) }},
	}
	for _, s := range steps {
		got, source, err := Find(w.opts)
		if err != nil || got != s.want || source.String() != s.source {
			t.Fatalf("got %q, error %v; want %q", source, err, s.source)
		}
		s.remove()
	}
	_, _, err := Find(w.opts)
	if !errors.Is(err, ErrNotFound) {
		t.Fatalf("all sources removed: %v; want ErrNotFound", err)
	}
}

func TestASourceIsReadAgainAloneAndShowsWhatBecameOfIt(t *testing.T) {
	// Every other source is valid, so that falling through to one would succeed and fail the test.
	for place, find := range map[string]func(w *world) string{
		"flag":    func(w *world) string { return w.opts.File },
		"systemd": func(w *world) string { w.opts.File = ""; return w.env["CREDENTIALS_DIRECTORY"] + "/zenlayer" },
		"home": func(w *world) string {
			w.opts.File, w.env = "", map[string]string{}
			return filepath.Join(w.opts.Home, ".zenlayer", "credentials.json")
		},
	} {
		t.Run(place, func(t *testing.T) {
			w := fullWorld(t)
			path := find(w)
			_, source, err := Find(w.opts)
			if err != nil || !source.IsFile() || !strings.Contains(source.String(), path) {
				t.Fatalf("%v, error %v", source, err)
			}
			write(t, path, `{"default": {"access_key_id": "new-id", "access_key_secret": "new-s3cr3t"}}`, 0o600)
			if got, err := source.Read(); err != nil || got != pairOf("new-id", "new-s3cr3t") {
				t.Errorf("rewritten: got %v, error %v", got, err)
			}
			write(t, path, `{"s3cr3t`, 0o600)
			_, err = source.Read()
			refused(t, err)
			errorOf(os.Remove(path), "")
			_, err = source.Read()
			refused(t, err)
			if err != nil && (!strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "no such file")) {
				t.Errorf("removed: %v, want the path and that it is gone", err)
			}
		})
	}
	w := fullWorld(t)
	w.opts.File = ""
	delete(w.env, "CREDENTIALS_DIRECTORY")
	if got, source, err := Find(w.opts); err != nil || got != tokenOf("env-token-s3cr3t") || source.IsFile() || source.String() != "ZENLAYER_TOKEN" {
		t.Errorf("the environment: %v, %v", source, err)
	}
}

func TestNothingFoundListsEverySourceAndTheRemedy(t *testing.T) {
	_, _, err := Find(Options{Home: "/nonexistent"})
	if !errors.Is(err, ErrNotFound) {
		t.Fatal(err)
	}
	want := `no credentials found; checked
  --credentials-file: not given
  $CREDENTIALS_DIRECTORY/zenlayer: CREDENTIALS_DIRECTORY is not set
  ZENLAYER_TOKEN: not set
  ZENLAYER_ACCESS_KEY_ID and ZENLAYER_ACCESS_KEY_SECRET: not set
  ZENLAYERCLOUD_ACCESS_KEY_ID and ZENLAYERCLOUD_ACCESS_KEY_PASSWORD: not set
  /nonexistent/.zenlayer/credentials.json (profile "default"): no such file
set ZENLAYER_ACCESS_KEY_ID and ZENLAYER_ACCESS_KEY_SECRET, or name a file with --credentials-file`
	if err.Error() != want {
		t.Errorf("got:\n%s\nwant:\n%s", err, want)
	}
}

func TestHalfAPairNamesTheMissingVariable(t *testing.T) {
	for _, names := range [][2]string{
		{"ZENLAYER_ACCESS_KEY_ID", "ZENLAYER_ACCESS_KEY_SECRET"},
		{"ZENLAYERCLOUD_ACCESS_KEY_ID", "ZENLAYERCLOUD_ACCESS_KEY_PASSWORD"},
	} {
		for i, set := range names {
			missing := names[1-i]
			_, _, err := Find(Options{Getenv: env(set, hidden)})
			if err == nil || !strings.Contains(err.Error(), missing+" is not set, but "+set+" is") {
				t.Errorf("only %s set: %v", set, err)
			}
			refused(t, err)
		}
	}
}

// refused fails the test where the error is missing, is ErrNotFound, or shows a secret.
func refused(t *testing.T, err error) {
	t.Helper()
	switch {
	case err == nil:
		t.Error("no error")
	case errors.Is(err, ErrNotFound):
		t.Errorf("a broken source counts as absent: %v", err)
	case strings.Contains(err.Error(), hidden):
		t.Errorf("the error shows the secret: %v", err)
	}
}

func TestFileForms(t *testing.T) {
	for name, c := range map[string]struct {
		content string
		profile string
		want    apiclient.Credentials
		err     string // part of it; empty: accepted
	}{
		"pair text":                {content: "id:s3cr3t", want: pairOf("id", "s3cr3t")},
		"pair text with newline":   {content: "id:s3cr3t\r\n", want: pairOf("id", "s3cr3t")},
		"colon in the secret":      {content: "id:a:s3cr3t", want: pairOf("id", "a:s3cr3t")},
		"byte order mark":          {content: "\ufeffid:s3cr3t", want: pairOf("id", "s3cr3t")},
		"flat pair":                {content: `{"access_key_id":"id","access_key_secret":"s3cr3t"}`, want: pairOf("id", "s3cr3t")},
		"flat token":               {content: `{"token": "s3cr3t"}`, want: tokenOf("s3cr3t")},
		"default profile":          {content: zenoFile, want: pairOf("home-id", "home-s3cr3t")},
		"named profile":            {content: zenoFile, profile: "staging", want: tokenOf("staging-s3cr3t")},
		"a profile called token":   {content: `{"token": {"token": "s3cr3t"}}`, profile: "token", want: tokenOf("s3cr3t")},
		"empty":                    {content: "", err: "is empty"},
		"blank":                    {content: " \n\n", err: "is empty"},
		"no colon":                 {content: "s3cr3t", err: "neither JSON nor KEYID:SECRET"},
		"no id":                    {content: ":s3cr3t", err: "id before the colon is missing"},
		"no secret":                {content: "s3cr3t:", err: "secret behind the colon is missing"},
		"two lines":                {content: "id:s3cr3t\nid2:s3cr3t", err: "several lines"},
		"space in the secret":      {content: "id:s3cr3t and more", err: "access key secret holds a space"},
		"control character in it":  {content: "{\"token\": \"s3cr3t\\u0007x\"}", err: "token holds a space or a character"},
		"id and secret swapped":    {content: "s3cr3t/abc=:id", err: "swapped"},
		"profile asked of a pair":  {content: "id:s3cr3t", profile: "x", err: "has no profiles"},
		"profile asked of flat":    {content: `{"token": "s3cr3t"}`, profile: "x", err: "has no profiles"},
		"unknown profile":          {content: zenoFile, profile: "prod", err: `no profile "prod"`},
		"profile without contents": {content: `{"default": {}}`, err: "neither access_key_id"},
		"profile with half a pair": {content: `{"default": {"access_key_secret": "s3cr3t"}}`, err: "no access_key_id"},
		"profile with other half":  {content: `{"default": {"access_key_id": "s3cr3t"}}`, err: "no access_key_secret"},
		"pair and token":           {content: `{"token":"s3cr3t","access_key_id":"id","access_key_secret":"s3cr3t"}`, err: "keep one"},
		"profile is text":          {content: `{"default": "s3cr3t"}`, err: "is not an object"},
		"secret is a number":       {content: `{"access_key_id": "s3cr3t", "access_key_secret": 5}`, err: "is not an object with the texts"},
		"json list":                {content: `["s3cr3t"]`, err: "not an object of profiles"},
		"json cut short":           {content: `{"token": "s3cr3t`, err: "broken at line 1, column 17"},
		"json with a stray word":   {content: "{\n  \"token\": s3cr3t\n}", err: "broken at line 2, column 12"},
		"json followed by more":    {content: `{"token": "s3cr3t"} s3cr3t`, err: "broken at line 1, column 21"},
		"too large":                {content: strings.Repeat(hidden, 20000), err: "larger than 64 KiB"},
		"NUL":                      {content: "id:s3cr3t\x00x", err: "not printable ASCII"},
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, filepath.Join(t.TempDir(), "c"), c.content, 0o600)
			got, _, err := Find(Options{File: path, Profile: c.profile})
			if c.err == "" {
				if err != nil || got != c.want {
					t.Fatalf("got %v, error %v", got, err)
				}
				return
			}
			refused(t, err)
			if err != nil && (!strings.Contains(err.Error(), c.err) || !strings.Contains(err.Error(), path)) {
				t.Errorf("got %q; want the path and %q", err, c.err)
			}
		})
	}
}

// The story: an environment file, or a secret manager, has quotes around the key, which become part of
// it. That is refused with the reason, and not by the API at run time.
func TestQuotesAroundAKeyAreRefusedWithTheReasonAtEverySource(t *testing.T) {
	const reason = "has a quote at its begin or end: quotes around it became part of the value; take them off"
	inFile := func(content string) func(*testing.T) Options {
		return func(t *testing.T) Options {
			return Options{File: write(t, filepath.Join(t.TempDir(), "c"), content, 0o600)}
		}
	}
	inEnv := func(pairs ...string) func(*testing.T) Options {
		return func(*testing.T) Options { return Options{Getenv: env(pairs...)} }
	}
	for name, c := range map[string]struct {
		options func(*testing.T) Options
		what    string
	}{
		"id in the environment":     {inEnv("ZENLAYER_ACCESS_KEY_ID", `"demo"`, "ZENLAYER_ACCESS_KEY_SECRET", hidden), "access key id"},
		"secret in the environment": {inEnv("ZENLAYER_ACCESS_KEY_ID", "demo", "ZENLAYER_ACCESS_KEY_SECRET", "'"+hidden+"'"), "access key secret"},
		"the other names":           {inEnv("ZENLAYERCLOUD_ACCESS_KEY_ID", "demo", "ZENLAYERCLOUD_ACCESS_KEY_PASSWORD", `"`+hidden+`"`), "access key secret"},
		"token in the environment":  {inEnv("ZENLAYER_TOKEN", `"`+hidden+`"`), "token"},
		"nothing but quotes":        {inEnv("ZENLAYER_TOKEN", `""`), "token"},
		"an editor's quotes":        {inEnv("ZENLAYER_TOKEN", "“"+hidden+"”"), "token"},
		"a pair in a file":          {inFile(`"demo:` + hidden + `"`), "access key id"},
		"each of a pair in a file":  {inFile(`demo:"` + hidden + `"`), "access key secret"},
		"JSON":                      {inFile(`{"access_key_id": "demo", "access_key_secret": "\"` + hidden + `\""}`), "access key secret"},
		"a profile":                 {inFile(`{"default": {"token": "'` + hidden + `'"}}`), "token"},
		"zeno's file": {func(t *testing.T) Options {
			home := t.TempDir()
			write(t, filepath.Join(home, ".zenlayer", "credentials.json"), `{"default": {"token": "\"`+hidden+`\""}}`, 0o600)
			return Options{Home: home}
		}, "token"},
		"systemd's file": {func(t *testing.T) Options {
			dir := t.TempDir()
			write(t, filepath.Join(dir, "zenlayer"), `demo:'`+hidden+`'`, 0o400)
			return Options{Getenv: env("CREDENTIALS_DIRECTORY", dir)}
		}, "access key secret"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := Find(c.options(t))
			refused(t, err)
			if want := "the " + c.what + " " + reason; err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %q", err, want)
			}
		})
	}
	if got, _, err := Find(Options{Getenv: env("ZENLAYER_TOKEN", `a"b'c`)}); err != nil || got != tokenOf(`a"b'c`) {
		t.Errorf("a quote inside: %v, %v", got, err)
	}
}

func TestFileMustBePrivate(t *testing.T) {
	const me, other, mine, foreign = 1000, 1001, 2000, 2001
	const chgrp = "run it with that group (supplementalGroups, group_add), or type: chgrp 100 /a/b && chmod 440 /a/b"
	for _, c := range []struct {
		mode    fs.FileMode
		owner   int
		group   int
		systemd bool
		err     string
	}{
		{mode: 0o600, owner: me},
		{mode: 0o400, owner: me},
		{mode: 0o600, owner: 0},
		{mode: 0o440, owner: 0, group: mine},
		{mode: 0o640, owner: 0, group: mine},
		{mode: 0o440, owner: 0, group: 100},
		{mode: 0o400, owner: 0, systemd: true},
		{mode: 0o440, owner: 0, group: foreign, systemd: true},
		{mode: 0o440, owner: 0, group: foreign, err: "has mode 0440 and group 2001, which this process is not in; " + chgrp},
		{mode: 0o644, owner: 0, group: foreign, err: "has mode 0644 and group 2001, which this process is not in; " + chgrp},
		{mode: 0o444, owner: 0, group: mine, err: "has mode 0444, wanted is 0640 or stricter; type: chmod 440 /a/b"},
		{mode: 0o460, owner: 0, group: mine, err: "mode 0460"},
		{mode: 0o450, owner: 0, group: mine, err: "mode 0450"},
		{mode: 0o440, owner: me, group: mine, err: "has mode 0440, wanted is 0600 or stricter; type: chmod 600 /a/b"},
		{mode: 0o440, owner: other, group: mine, err: "is owned by uid 1001"},
		{mode: 0o644, owner: me, err: "has mode 0644, wanted is 0600 or stricter; type: chmod 600 /a/b"},
		{mode: 0o604, owner: me, err: "mode 0604"},
		{mode: 0o620, owner: me, err: "mode 0620"},
		{mode: 0o700, owner: me, err: "mode 0700"},
		{mode: 0o444, owner: 0, systemd: true, err: "has mode 0444, wanted is 0640 or stricter; type: chmod 440 /a/b"},
		{mode: 0o460, owner: 0, systemd: true, err: "mode 0460"},
		{mode: 0o600, owner: other, err: "is owned by uid 1001, who could change it; type: chown 1000 /a/b"},
		{mode: 0o440, owner: other, systemd: true, err: "owned by uid 1001"},
		{mode: fs.ModeDir | 0o700, owner: me, err: "is a folder"},
		{mode: fs.ModeNamedPipe | 0o600, owner: me, err: "not a regular file"},
		{mode: fs.ModeCharDevice | fs.ModeDevice | 0o600, owner: me, err: "not a regular file"},
	} {
		t.Run(fmt.Sprintf("%v uid %d gid %d systemd %v", c.mode, c.owner, c.group, c.systemd), func(t *testing.T) {
			err := fileInfo{"/a/b", c.mode, c.owner, c.group, c.systemd}.check(reader{me, []int{mine, 100}})
			if c.err == "" {
				if err != nil {
					t.Error(err)
				}
			} else if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("got %v, want %q", err, c.err)
			}
		})
	}
}

// As Kubernetes mounts a secret for fsGroup: 0440, owned by root, behind links.
func TestASecretMountedForAGroupOfTheProcessIsRead(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can change its groups and the owner of a file")
	}
	before, err := os.Getgroups()
	if err != nil {
		t.Fatal(err)
	}
	const group = 12345
	dir := t.TempDir()
	mounted := write(t, filepath.Join(dir, "..2026_11_23", "key"), "id:s3cr3t", 0o440)
	path := filepath.Join(dir, "key")
	if err := errors.Join(os.Chown(mounted, 0, group), os.Symlink("..2026_11_23", filepath.Join(dir, "..data")), os.Symlink("..data/key", path)); err != nil {
		t.Fatal(err)
	}
	_, _, err = Find(Options{File: path})
	refused(t, err)
	t.Cleanup(func() { errorOf(syscall.Setgroups(before), "") })
	errorOf(syscall.Setgroups([]int{group}), "")
	if got, _, err := Find(Options{File: path}); err != nil || got != pairOf("id", "s3cr3t") {
		t.Errorf("got %v, error %v", got, err)
	}
}

func TestTheHomeFileMayBeginWithAByteOrderMark(t *testing.T) {
	home := t.TempDir()
	write(t, filepath.Join(home, ".zenlayer", "credentials.json"), "\ufeff"+zenoFile+"\r\n", 0o600)
	if got, _, err := Find(Options{Home: home}); err != nil || got != pairOf("home-id", "home-s3cr3t") {
		t.Errorf("got %v, error %v", got, err)
	}
}

func TestBrokenFileIsAnErrorAtEachPlace(t *testing.T) {
	// Every later source is valid, so that falling through to it would succeed and fail the test.
	places := map[string]func(w *world) string{
		"flag":    func(w *world) string { return w.opts.File },
		"systemd": func(w *world) string { w.opts.File = ""; return w.env["CREDENTIALS_DIRECTORY"] + "/zenlayer" },
		"home": func(w *world) string {
			w.opts.File = ""
			w.env = nil
			return filepath.Join(w.opts.Home, ".zenlayer", "credentials.json")
		},
	}
	damages := map[string]func(t *testing.T, path string) string{
		"others can read it": func(t *testing.T, path string) string {
			return errorOf(os.Chmod(path, 0o644), "0644")
		},
		"it is a folder": func(t *testing.T, path string) string {
			return errorOf(errors.Join(os.Remove(path), os.Mkdir(path, 0o700)), "is a folder")
		},
		"it is a pipe": func(t *testing.T, path string) string {
			return errorOf(errors.Join(os.Remove(path), syscall.Mkfifo(path, 0o600)), "not a regular file")
		},
		"its JSON is broken": func(t *testing.T, path string) string {
			write(t, path, `{"s3cr3t`, 0o600)
			return "broken at line 1"
		},
		"it is someone else's": func(t *testing.T, path string) string {
			if os.Geteuid() != 0 {
				t.Skip("only root can change the owner of a file")
			}
			return errorOf(os.Chown(path, 12345, 12345), "owned by uid 12345")
		},
		"a link leads to an open file": func(t *testing.T, path string) string {
			open := write(t, filepath.Join(t.TempDir(), "open"), "id:s3cr3t", 0o666)
			return errorOf(errors.Join(os.Remove(path), os.Symlink(open, path)), "0666")
		},
	}
	for place, find := range places {
		for damage, do := range damages {
			t.Run(place+": "+damage, func(t *testing.T) {
				w := fullWorld(t)
				path := find(w)
				want := do(t, path)
				_, _, err := Find(w.opts)
				refused(t, err)
				if err != nil && (!strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path)) {
					t.Errorf("got %q; want %q and the path %s", err, want, path)
				}
			})
		}
	}
}

func errorOf(err error, want string) string {
	if err != nil {
		panic(err)
	}
	return want
}

func TestNamedFileThatIsMissingIsAnError(t *testing.T) {
	_, _, err := Find(Options{File: "/nonexistent/file", Getenv: env("ZENLAYER_TOKEN", hidden)})
	refused(t, err)
	if want := "credentials: --credentials-file /nonexistent/file: there is no such file; check the path"; err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
}

func TestSecretGivenInPlaceOfAFileIsNotRepeated(t *testing.T) {
	for _, given := range []string{"id:s3cr3t", "s3cr3t", "x/s3cr3t", "s3cr3t:x.json"} {
		_, _, err := Find(Options{File: given})
		refused(t, err)
	}
}

func TestExistingFileIsNamedInTheErrorWithAnyPath(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("keys", []byte("no colon"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, _, err := Find(Options{File: "keys"})
	if err == nil || !strings.Contains(err.Error(), "--credentials-file keys: ") {
		t.Errorf("got %v, want the file named", err)
	}
}

func TestFileFlagIntoTheSystemdFolderAllowsTheModesThatSystemdWrites(t *testing.T) {
	w := fullWorld(t)
	w.opts.File = w.env["CREDENTIALS_DIRECTORY"] + "/zenlayer" // mode 0440
	got, _, err := Find(w.opts)
	if err != nil || got != pairOf("unit-id", "unit-s3cr3t") {
		t.Errorf("got %v, error %v", got, err)
	}
}

func TestTypedCommandSurvivesOddPaths(t *testing.T) {
	err := fileInfo{path: "/home/o'neil/my file", mode: 0o644}.check(reader{groups: []int{0}})
	if want := `chmod 600 '/home/o'\''neil/my file'`; !strings.HasSuffix(err.Error(), want) {
		t.Errorf("got %q, want it to end in %q", err, want)
	}
}

func FuzzParseNeverPanicsNorShowsTheContent(f *testing.F) {
	f.Add([]byte("id:s3cr3t"), "")
	f.Add([]byte(zenoFile), "staging")
	f.Add([]byte(`{"default": {"token": `), "")
	f.Add([]byte(`{"a":{}}`), "a")
	f.Fuzz(func(t *testing.T, data []byte, asked string) {
		const marker = "Zq9Kx7Wv"
		name := cmp.Or(asked, "default")
		c, err := parse(append([]byte(marker), data...), asked, name)
		if err != nil && strings.Contains(err.Error(), marker) && !strings.Contains(asked, marker) {
			t.Errorf("the error shows the content: %v", err)
		}
		if err == nil && check(c) == nil && c.Validate() != nil {
			t.Error("accepted, but not valid")
		}
		_, _ = parse(data, asked, name)
	})
}

// An account's own source is the only one that counts for it, and no variable of the environment does.
func TestAnAccountsOwnSourceIsTheOnlyOne(t *testing.T) {
	dir, loaded := t.TempDir(), t.TempDir()
	file := write(t, filepath.Join(dir, "own"), "file:"+hidden, 0o600)
	write(t, filepath.Join(loaded, "zenlayer-us"), "loaded:"+hidden, 0o400)
	profiles := write(t, filepath.Join(dir, "profiles.json"), `{"hk": {"access_key_id": "hk", "access_key_secret": "`+hidden+`"}}`, 0o600)
	o := Options{File: profiles, Profile: "other", Getenv: func(name string) string {
		return map[string]string{"CREDENTIALS_DIRECTORY": loaded, "ZENLAYER_TOKEN": "environment-" + hidden}[name]
	}}
	for id, own := range map[string]Own{"file": {File: file}, "loaded": {Credential: "zenlayer-us"}, "hk": {Profile: "hk"}} {
		c, source, err := FindOwn(o, own)
		if err != nil || c != pairOf(id, hidden) || !source.IsFile() {
			t.Errorf("%+v: %v from %s, %v", own, c.AccessKeyID, source, err)
		}
		if again, err := source.Read(); err != nil || again != c {
			t.Errorf("%+v: read again: %v, %v", own, again.AccessKeyID, err)
		}
	}
	for name, own := range map[string]Own{"none.json": {File: filepath.Join(dir, "none.json")}, "zenlayer-sg": {Credential: "zenlayer-sg"}, `"sg"`: {Profile: "sg"}} {
		_, _, err := FindOwn(o, own)
		if err == nil || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), hidden) || strings.Contains(err.Error(), "ZENLAYER_ACCESS") {
			t.Errorf("%+v: %v; want %s named, and no remedy of another account's", own, err, name)
		}
	}
}
