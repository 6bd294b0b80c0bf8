package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"

	"zecpower/batcher"
)

// progress is the bar of a run by hand. Where nobody looks it shows nothing.
type progress struct {
	batcher.Quiet
	w     io.Writer
	words powerWords
	show  bool

	mu  sync.Mutex // guards bar and the terminal: log lines and the bar share it
	bar *progressbar.ProgressBar
}

func newProgress(stderr io.Writer, words powerWords) *progress {
	return &progress{w: stderr, words: words, show: isTerminal(stderr)}
}

func (p *progress) visible() bool { return p.show }

// out is where log lines go: past the bar where there is one.
func (p *progress) out() io.Writer {
	if !p.show {
		return p.w
	}
	return p
}

// Write lets a log line take the bar's place; the next step draws it again below.
func (p *progress) Write(line []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar != nil {
		_ = p.bar.Clear() // cosmetic
	}
	return p.w.Write(line)
}

func (p *progress) say(w io.Writer, text string) {
	if p.show {
		w = p
	}
	fmt.Fprintln(w, text)
}

// RunStarted implements batcher.Observer.
func (p *progress) RunStarted(run batcher.RunInfo) {
	total := 0
	for _, g := range run.Groups {
		total += g.Total
	}
	if !p.show || total == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bar = progressbar.NewOptions(total,
		progressbar.OptionSetWriter(p.w), progressbar.OptionSetDescription(string(p.words.action)),
		progressbar.OptionShowCount(), progressbar.OptionSetWidth(30), progressbar.OptionSetPredictTime(false),
		progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())
}

// Progressed implements batcher.Observer.
func (p *progress) Progressed(_ batcher.RunInfo, done batcher.Progress) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar == nil {
		return
	}
	p.bar.Describe(fmt.Sprintf("%s: %d on the way, %d failed", p.words.action, done.Pending, done.Failed))
	_ = p.bar.Set(done.Settled) // cosmetic
}

func (p *progress) finish() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar != nil {
		_ = p.bar.Finish() // cosmetic
		_ = p.bar.Clear()
		p.bar = nil
	}
}
