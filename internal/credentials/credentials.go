// Package credentials finds the credentials for the ZEC API.
//
// Sources are looked at in a fixed order and the first one that is there is taken whole; sources are never mixed. One
// that is there but broken (half a pair, a file that others can read, JSON that does not parse) is an error: going on
// to the next would act as someone else than was asked for.
//
// The order:
//
//  1. the file of --credentials-file
//  2. $CREDENTIALS_DIRECTORY/zenlayer, where systemd puts LoadCredential=zenlayer:FILE
//  3. ZENLAYER_TOKEN; it comes before a key pair that is set beside it
//  4. ZENLAYER_ACCESS_KEY_ID with ZENLAYER_ACCESS_KEY_SECRET
//  5. ZENLAYERCLOUD_ACCESS_KEY_ID with ZENLAYERCLOUD_ACCESS_KEY_PASSWORD, the names of Zenlayer's other tools
//  6. ~/.zenlayer/credentials.json, which zeno writes
//
// No error holds anything that was read from a file or a variable: only names, paths, modes and positions.
package credentials

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"zecpower/apiclient"
)

// ErrNotFound is what errors.Is finds in the error of Find when no source has anything. Broken sources are not it.
var ErrNotFound = errors.New("no credentials found")

// Options are where to look.
type Options struct {
	// File is --credentials-file; empty where it was not given.
	File string

	// Profile picks one of a file's profiles. Empty: ZENLAYER_PROFILE, else "default".
	Profile string

	// Getenv reads a variable, as os.Getenv; an empty value is an unset one. Nil: an empty environment.
	Getenv func(string) string

	// Home is the user's home folder; empty where there is none, as for many services.
	Home string
}

// Find returns the credentials of the first source that has any, valid, and the source's name for the log.
func Find(o Options) (apiclient.Credentials, string, error) {
	if o.Getenv == nil {
		o.Getenv = func(string) string { return "" }
	}
	var looked []string
	for _, look := range []func() answer{
		o.flagFile,
		o.systemd,
		o.token,
		func() answer { return o.pair("ZENLAYER_ACCESS_KEY_ID", "ZENLAYER_ACCESS_KEY_SECRET") },
		func() answer { return o.pair("ZENLAYERCLOUD_ACCESS_KEY_ID", "ZENLAYERCLOUD_ACCESS_KEY_PASSWORD") },
		o.homeFile,
	} {
		a := look()
		if a.absent != "" {
			looked = append(looked, a.source+": "+a.absent)
			continue
		}
		if a.err != nil {
			return apiclient.Credentials{}, "", fmt.Errorf("credentials: %s: %w", a.source, a.err)
		}
		if err := check(a.found); err != nil {
			return apiclient.Credentials{}, "", fmt.Errorf("credentials: %s: %w", a.source, err)
		}
		return a.found, a.source, nil
	}
	return apiclient.Credentials{}, "", &notFoundError{looked}
}

// answer is what one source says: absent, broken, or found.
type answer struct {
	source string
	absent string // why it has nothing to say; empty where it has
	err    error
	found  apiclient.Credentials
}

// notFoundError lists every source, one a line, and the remedy.
type notFoundError struct{ looked []string }

func (e *notFoundError) Error() string {
	return ErrNotFound.Error() + "; looked at\n  " + strings.Join(e.looked, "\n  ") +
		"\nset ZENLAYER_ACCESS_KEY_ID and ZENLAYER_ACCESS_KEY_SECRET, or name a file with --credentials-file"
}

func (e *notFoundError) Is(target error) bool { return target == ErrNotFound }

// credentialName is the ID of LoadCredential= in the unit.
const credentialName = "zenlayer"

func (o Options) flagFile() answer {
	if o.File == "" {
		return answer{source: "--credentials-file", absent: "not given"}
	}
	a := answer{source: "--credentials-file " + showPath(o.File)}
	data, err := readFile(o.File, o.inSystemd(o.File))
	if err == nil {
		a.found, err = parse(data, o.Profile, o.profile())
	}
	a.err = err
	return a
}

// showPath hides what neither is there nor looks like a path: a secret that was put there by mistake must not be repeated.
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

func (o Options) systemd() answer {
	dir := o.Getenv("CREDENTIALS_DIRECTORY")
	if dir == "" {
		return answer{source: "$CREDENTIALS_DIRECTORY/" + credentialName, absent: "CREDENTIALS_DIRECTORY is not set"}
	}
	path := filepath.Join(dir, credentialName)
	a := answer{source: path}
	data, err := readFile(path, true)
	switch {
	case errors.Is(err, errNoFile):
		a.absent = "no such file; add LoadCredential=" + credentialName + ":FILE to the unit"
	case err != nil:
		a.err = err
	default:
		a.found, a.err = parse(data, o.Profile, o.profile())
	}
	return a
}

// inSystemd says whether a path that was given is in the folder that systemd made for the service.
func (o Options) inSystemd(path string) bool {
	dir := o.Getenv("CREDENTIALS_DIRECTORY")
	return dir != "" && filepath.Dir(filepath.Clean(path)) == filepath.Clean(dir)
}

func (o Options) token() answer {
	const name = "ZENLAYER_TOKEN"
	value := o.Getenv(name)
	if value == "" {
		return answer{source: name, absent: "not set"}
	}
	return answer{source: name, found: apiclient.Credentials{Token: apiclient.NewSecret(strings.TrimSpace(value))}}
}

func (o Options) pair(idName, secretName string) answer {
	id, secret := o.Getenv(idName), o.Getenv(secretName)
	a := answer{source: idName + " and " + secretName}
	switch {
	case id == "" && secret == "":
		a.absent = "not set"
	case id == "":
		a.err = fmt.Errorf("%s is not set, but %s is; set both", idName, secretName)
	case secret == "":
		a.err = fmt.Errorf("%s is not set, but %s is; set both", secretName, idName)
	}
	a.found = apiclient.Credentials{AccessKeyID: strings.TrimSpace(id), AccessKeySecret: apiclient.NewSecret(strings.TrimSpace(secret))}
	return a
}

func (o Options) homeFile() answer {
	if o.Home == "" {
		return answer{source: "~/.zenlayer/credentials.json", absent: "there is no home folder"}
	}
	path := filepath.Join(o.Home, ".zenlayer", "credentials.json")
	a := answer{source: fmt.Sprintf("%s (profile %q)", path, o.profile())}
	data, err := readFile(path, false)
	switch {
	case errors.Is(err, errNoFile):
		a.absent = "no such file"
	case err != nil:
		a.err = err
	default:
		a.found, a.err = parseJSON(withoutMark(data), o.Profile, o.profile())
	}
	return a
}

func (o Options) profile() string {
	if o.Profile != "" {
		return o.Profile
	}
	if p := o.Getenv("ZENLAYER_PROFILE"); p != "" {
		return p
	}
	return "default"
}

// check refuses what cannot be credentials, before a request carries it in a header.
func check(c apiclient.Credentials) error {
	for _, v := range []struct{ what, value string }{
		{"access key id", c.AccessKeyID},
		{"access key secret", c.AccessKeySecret.Reveal()},
		{"token", c.Token.Reveal()},
	} {
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
