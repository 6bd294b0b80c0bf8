package strictyaml

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"
	"unicode"
	"unicode/utf8"
)

// ReadFile reads a text file of at most limit bytes. Its errors are Faults that say what is in the
// way and what to do, without the path (the caller's Problem has it). Regular files and pipes are
// read; a pipe without a writer reads as empty instead of blocking.
func ReadFile(path string, limit int64) ([]byte, error) {
	return readFile(path, limit, "is neither a file nor a pipe", func(mode fs.FileMode) bool {
		return mode.IsRegular() || mode&fs.ModeNamedPipe != 0
	})
}

// ReadRegular is ReadFile for regular files alone: for one that is read again, and must never wait
// for a writer.
func ReadRegular(path string, limit int64) ([]byte, error) {
	return readFile(path, limit, "is not a regular file", fs.FileMode.IsRegular)
}

func readFile(path string, limit int64, otherwise string, fits func(fs.FileMode) bool) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, OpenFault(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, OpenFault(err)
	}
	switch mode := info.Mode(); {
	case mode.IsDir():
		return nil, Faultf("name a file in it", "is a directory, not a file")
	case !fits(mode):
		return nil, Faultf("name a regular file", "%s", otherwise)
	}
	// One byte more than allowed shows that a file is above the limit, not at it.
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, OpenFault(err)
	}
	if int64(len(data)) > limit {
		return nil, Faultf("is this the right file?", "is larger than the %d MiB that are read", limit>>20)
	}
	return data, nil
}

// OpenFault is the Fault of a file or folder that could not be opened or read.
func OpenFault(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Faultf("check the path", "there is no such file")
	case errors.Is(err, fs.ErrPermission):
		return Faultf("let the user that runs zecpower read it and enter its folders", "permission denied")
	}
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		err = pathErr.Err // the path stands before the message already
	}
	return Faultf("", "cannot be read: %v", err)
}

// Text is data as text, without a byte order mark; false, with the problem reported, where it is
// not text.
func (d *Doc) Text(data []byte) (string, bool) {
	data, problem := clean(d.File, data)
	if problem != nil {
		d.problems = append(d.problems, *problem)
		return "", false
	}
	return string(data), true
}

// clean checks that data is UTF-8 text and returns it without a byte order mark at its start. Where
// it is not, the problem says at which line and column.
func clean(file string, data []byte) ([]byte, *Problem) {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")) {
		return nil, &Problem{file, 1, 1, "the file is UTF-16", "save it as UTF-8"}
	}
	line, start := 1, 0
	for i := 0; i < len(data); {
		c := data[i]
		if c == '\n' {
			line, start = line+1, i+1
		}
		if c < utf8.RuneSelf && (c >= ' ' && c != 0x7f || c == '\n' || c == '\t' || c == '\r') {
			i++
			continue
		}
		r, size := utf8.DecodeRune(data[i:])
		if fault := badRune(r, size); fault != nil {
			return nil, &Problem{file, line, utf8.RuneCount(data[start:i]) + 1, fault.Message, fault.Hint}
		}
		i += size
	}
	return data, nil
}

func badRune(r rune, size int) *Fault {
	switch {
	case r == 0:
		return &Fault{"there is a NUL byte: this is not a text file", "is this the right file?"}
	case r == utf8.RuneError && size == 1:
		return &Fault{"there is a byte that is not UTF-8", "save the file as UTF-8"}
	case unicode.IsControl(r) && r != 0x85, r == 0xfffe, r == 0xffff:
		return &Fault{"there is a control character", "delete it; or is this the wrong file?"}
	}
	return nil
}
