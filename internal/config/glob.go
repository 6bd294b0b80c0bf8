package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"zecpower/internal/strictyaml"
)

// Matches are the files that patterns match now, each once: in the order of the patterns, those of
// one sorted. A folder that cannot be read has none.
func Matches(patterns []string) (paths []string) {
	seen := make(map[string]bool)
	for _, pattern := range patterns {
		found, _ := glob(pattern) // a load says why a folder cannot be read
		for _, path := range found {
			if !seen[path] {
				seen[path] = true
				paths = append(paths, path)
			}
		}
	}
	return paths
}

// glob lists what a pattern matches, sorted; files, and also folders and links that lead nowhere. A
// wildcard stands for a part of one name, and as in a shell for none that begins with a dot. A
// folder that is not there has no matches. The error is that of a folder which cannot be listed:
// filepath.Glob says nothing of it, and a whole folder of teams would be missing without a word.
func glob(pattern string) ([]string, error) {
	folder, last := filepath.Split(pattern)
	folder = filepath.Clean(folder)
	folders := []string{folder}
	if isPattern(folder) {
		var err error
		if folders, err = glob(folder); err != nil {
			return nil, err
		}
	}
	var found []string
	for _, folder := range folders {
		names, err := list(folder)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			if strings.HasPrefix(name, ".") && !strings.HasPrefix(last, ".") {
				continue
			}
			if ok, _ := filepath.Match(last, name); ok {
				found = append(found, filepath.Join(folder, name))
			}
		}
	}
	slices.Sort(found)
	return found, nil
}

// list names what a folder holds. What is no folder, or not there, holds nothing.
func list(folder string) (names []string, err error) {
	entries, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
		return nil, err
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, nil
}

// isPattern reports whether a path has wildcards.
func isPattern(path string) bool { return strings.ContainsAny(path, `*?[\`) }

// checkPattern refuses a pattern that is none, or whose matches would surprise.
func checkPattern(pattern string) error {
	if _, err := filepath.Match(pattern, ""); err != nil {
		return strictyaml.Faultf(`close the bracket, or put \ before it where it means itself`, "%s is no pattern", strictyaml.Quote(pattern))
	}
	last := filepath.Base(pattern)
	switch {
	case strings.Contains(pattern, "**"):
		return strictyaml.Faultf("write a pattern for each depth, such as conf.d/*.yaml and conf.d/*/*.yaml", "** in %s goes no deeper than *", strictyaml.Quote(pattern))
	case isPattern(last) && !strings.HasSuffix(last, ".yaml") && !strings.HasSuffix(last, ".yml"):
		return strictyaml.Faultf("end it with .yaml or .yml", "the pattern %s may match what editors and packages leave behind, such as x.yaml~ and x.yaml.rpmsave", strictyaml.Quote(pattern))
	}
	return nil
}
