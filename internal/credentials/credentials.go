package credentials

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"zecpower/apiclient"
)

// ErrNotFound matches, with errors.Is, the error that Find returns when every source is absent. A
// source that is present but broken gives a different error.
var ErrNotFound = errors.New("no credentials found")

// Options say where Find searches. With the zero value every source is absent.
type Options struct {
	// File is the path given with --credentials-file. Empty: the flag was not given.
	File string

	// Profile selects one of a file's profiles. Empty: ZENLAYER_PROFILE, else "default".
	Profile string

	// Getenv reads an environment variable, as os.Getenv does. An empty value counts as unset.
	// Nil: an empty environment.
	Getenv func(string) string

	// Home is the user's home folder. Empty: there is none, as for many services.
	Home string
}

// Source is one place of credentials. The zero value is none.
type Source struct {
	name string
	file bool
	read func() result
}

// String is the source's name for the log.
func (s Source) String() string { return s.name }

// IsFile reports whether the source is a file, whose content may change while the process runs.
// Environment variables cannot.
func (s Source) IsFile() bool { return s.file }

// Read reads the source again, and no other: where it is gone, or broken, that is an error. The
// credentials are as valid as those of Find.
func (s Source) Read() (apiclient.Credentials, error) {
	r := s.read()
	if r.absent != "" {
		r.err = errors.New(r.absent)
	}
	return r.credentials()
}

// Find returns the credentials of the first source that is present, and that source. The
// credentials are valid: they pass apiclient.Credentials.Validate and contain only printable ASCII.
// Where every source is absent the error matches ErrNotFound and lists all of them. Where a source
// is broken the error names that source.
func Find(o Options) (apiclient.Credentials, Source, error) {
	return find(o.sources(), usualRemedy)
}

// Own says where the credential of one account is, where it has a source of its own. Exactly one
// field is set.
type Own struct {
	// Profile is one of the file that Find would use: that of --credentials-file, the systemd
	// credential, or the one in the home folder.
	Profile string
	// File is a credentials file.
	File string
	// Credential is the name of a file in $CREDENTIALS_DIRECTORY, as LoadCredential= gives it.
	Credential string
}

// FindOwn is Find for an account that has a source of its own. No environment variable counts.
func FindOwn(o Options, own Own) (apiclient.Credentials, Source, error) {
	switch {
	case own.File != "":
		o.Profile = ""
		return find([]Source{{read: func() result { return o.fromFile("credentials_file", own.File) }, file: true}}, ownRemedy)
	case own.Credential != "":
		o.Profile = ""
		return find([]Source{{read: func() result { return o.loaded(own.Credential) }, file: true}}, ownRemedy)
	}
	o.Profile = own.Profile
	return find([]Source{{read: o.flagFile, file: true}, {read: o.systemd, file: true}, {read: o.homeFile, file: true}}, ownRemedy)
}

func find(sources []Source, remedy string) (apiclient.Credentials, Source, error) {
	var absent []string
	for _, s := range sources {
		r := s.read()
		if r.absent != "" {
			absent = append(absent, r.source+": "+r.absent)
			continue
		}
		// From here on the source is present. A broken one ends the search.
		c, err := r.credentials()
		if err != nil {
			return c, Source{}, err
		}
		s.name = r.source
		return c, s, nil
	}
	return apiclient.Credentials{}, Source{}, &notFoundError{absent, remedy}
}

func (o Options) getenv(name string) string {
	if o.Getenv == nil {
		return ""
	}
	return o.Getenv(name)
}

// sources lists all sources in their order.
func (o Options) sources() []Source {
	return []Source{
		{read: o.flagFile, file: true},
		{read: o.systemd, file: true},
		{read: o.token},
		{read: func() result { return o.pair("ZENLAYER_ACCESS_KEY_ID", "ZENLAYER_ACCESS_KEY_SECRET") }},
		{read: func() result { return o.pair("ZENLAYERCLOUD_ACCESS_KEY_ID", "ZENLAYERCLOUD_ACCESS_KEY_PASSWORD") }},
		{read: o.homeFile, file: true},
	}
}

// result is what reading one source gave. Exactly one of three holds: the source is absent (absent
// is not empty), it is broken (err is not nil), or it has credentials (found).
type result struct {
	source string // its name, for errors and the log
	absent string // why the source has no credentials; empty where it is present
	err    error
	found  apiclient.Credentials
}

// credentials are what a source that is present has, checked. An error names the source.
func (r result) credentials() (apiclient.Credentials, error) {
	err := r.err
	if err == nil {
		err = check(r.found)
	}
	if err != nil {
		return apiclient.Credentials{}, fmt.Errorf("credentials: %s: %w", r.source, err)
	}
	return r.found, nil
}

// notFoundError lists why each source is absent, one source a line, and the remedy.
type notFoundError struct {
	absent []string
	remedy string
}

const (
	usualRemedy = "set ZENLAYER_ACCESS_KEY_ID and ZENLAYER_ACCESS_KEY_SECRET, or name a file with --credentials-file"
	ownRemedy   = "put it there, or name another source under accounts: in the configuration"
)

func (e *notFoundError) Error() string {
	return ErrNotFound.Error() + "; checked\n  " + strings.Join(e.absent, "\n  ") + "\n" + e.remedy
}

func (e *notFoundError) Is(target error) bool { return target == ErrNotFound }

// credentialName is the ID of LoadCredential= in the systemd unit.
const credentialName = "zenlayer"

func (o Options) flagFile() result {
	if o.File == "" {
		return result{source: "--credentials-file", absent: "not given"}
	}
	return o.fromFile("--credentials-file", o.File)
}

// fromFile reads a file that label names.
func (o Options) fromFile(label, path string) result {
	r := result{source: label + " " + showPath(path)}
	data, err := readFile(path, o.inSystemd(path))
	if err == nil {
		r.found, err = parse(data, o.Profile, o.profile())
	}
	r.err = err
	return r
}

// showPath returns path as an error may show it. A text that is not an existing file and does not
// have the form of a path is replaced: it may be a secret that was given in place of a path, and an
// error must not repeat it.
func showPath(path string) string {
	if _, err := os.Lstat(path); err == nil {
		return path
	}
	for _, start := range []string{"/", "./", "../", "~"} {
		if strings.HasPrefix(path, start) {
			return path
		}
	}
	if !strings.Contains(path, ":") && (strings.HasSuffix(path, ".json") || strings.HasSuffix(path, ".txt")) {
		return path
	}
	return "(the file given)"
}

func (o Options) systemd() result { return o.loaded(credentialName) }

// loaded reads a credential that systemd loads under a name.
func (o Options) loaded(name string) result {
	dir := o.getenv("CREDENTIALS_DIRECTORY")
	if dir == "" {
		return result{source: "$CREDENTIALS_DIRECTORY/" + name, absent: "CREDENTIALS_DIRECTORY is not set"}
	}
	path := filepath.Join(dir, name)
	r := result{source: path}
	data, err := readFile(path, true)
	switch {
	case errors.Is(err, errNoFile):
		r.absent = "no such file; add LoadCredential=" + name + ":FILE to the unit"
	case err != nil:
		r.err = err
	default:
		r.found, r.err = parse(data, o.Profile, o.profile())
	}
	return r
}

// inSystemd reports whether path lies directly in the credentials folder that systemd made for the
// service. Files there have other modes than a user's own; see fileInfo.check.
func (o Options) inSystemd(path string) bool {
	dir := o.getenv("CREDENTIALS_DIRECTORY")
	return dir != "" && filepath.Dir(filepath.Clean(path)) == filepath.Clean(dir)
}

func (o Options) token() result {
	const name = "ZENLAYER_TOKEN"
	value := o.getenv(name)
	if value == "" {
		return result{source: name, absent: "not set"}
	}
	return result{source: name, found: apiclient.Credentials{Token: apiclient.NewSecret(strings.TrimSpace(value))}}
}

func (o Options) pair(idName, secretName string) result {
	id, secret := o.getenv(idName), o.getenv(secretName)
	r := result{source: idName + " and " + secretName}
	switch {
	case id == "" && secret == "":
		r.absent = "not set"
	case id == "":
		r.err = fmt.Errorf("%s is not set, but %s is; set both", idName, secretName)
	case secret == "":
		r.err = fmt.Errorf("%s is not set, but %s is; set both", secretName, idName)
	}
	r.found = apiclient.Credentials{AccessKeyID: strings.TrimSpace(id), AccessKeySecret: apiclient.NewSecret(strings.TrimSpace(secret))}
	return r
}

func (o Options) homeFile() result {
	if o.Home == "" {
		return result{source: "~/.zenlayer/credentials.json", absent: "there is no home folder"}
	}
	path := filepath.Join(o.Home, ".zenlayer", "credentials.json")
	r := result{source: fmt.Sprintf("%s (profile %q)", path, o.profile())}
	data, err := readFile(path, false)
	switch {
	case errors.Is(err, errNoFile):
		r.absent = "no such file"
	case err != nil:
		r.err = err
	default:
		r.found, r.err = parseJSON(withoutBOM(data), o.Profile, o.profile())
	}
	return r
}

// profile is the name of the profile to use, by flag, variable or default. It is never empty.
func (o Options) profile() string {
	if o.Profile != "" {
		return o.Profile
	}
	if p := o.getenv("ZENLAYER_PROFILE"); p != "" {
		return p
	}
	return "default"
}

// quotes are the characters that people and editors put around a value. No key begins or ends with
// one, but the environment of a container, a file of variables and JSON keep those they are given.
const quotes = "\"'`“”„‘’‚«»"

// check refuses values that cannot be credentials. It runs before any request, because the values
// are sent in HTTP headers, where a control character or a space would break the request or its
// signature.
func check(c apiclient.Credentials) error {
	for _, v := range []struct{ what, value string }{
		{"access key id", c.AccessKeyID},
		{"access key secret", c.AccessKeySecret.Reveal()},
		{"token", c.Token.Reveal()},
	} {
		if strings.Trim(v.value, quotes) != v.value {
			return fmt.Errorf("the %s has a quote at its begin or end: quotes around it became part of the value; take them off", v.what)
		}
		for _, b := range []byte(v.value) {
			if b <= ' ' || b > '~' {
				return fmt.Errorf("the %s holds a space or a character that is not printable ASCII; copy it again", v.what)
			}
		}
	}
	if strings.ContainsAny(c.AccessKeyID, ",/=") {
		return errors.New("the access key id holds a character that no id has; are id and secret swapped?")
	}
	return c.Validate()
}
