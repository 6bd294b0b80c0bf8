package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"zecpower/internal/event"
)

// progress is the progress bar of a run by hand. It shows nothing where standard error is no
// terminal.
type progress struct {
	w     io.Writer
	words powerWords
	show  bool
	wide  bool // the terminal has room for the description

	tally event.Tally
	mu    sync.Mutex // guards the fields below and the terminal, which log lines and the bar share
	bar   *progressbar.ProgressBar
	drawn time.Time
}

// redrawEvery is the least time between two redraws.
const redrawEvery = 100 * time.Millisecond

func newProgress(stderr io.Writer, words powerWords) *progress {
	return &progress{w: stderr, words: words, show: isTerminal(stderr)}
}

func (p *progress) visible() bool { return p.show }

// out is the writer for log lines. It keeps them apart from the bar where there is one.
func (p *progress) out() io.Writer {
	if !p.show {
		return p.w
	}
	return p
}

// Write clears the bar, writes a log line in its place and draws the bar again below.
func (p *progress) Write(line []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar == nil {
		return p.w.Write(line)
	}
	_ = p.bar.Clear() // cosmetic, as is every call of the bar
	n, err := p.w.Write(line)
	_ = p.bar.RenderBlank()
	return n, err
}

// Sizes of the bar in columns. A line longer than the terminal is wide would wrap, and every redraw
// would leave a line behind.
const (
	maxBar      = 30
	minBar      = 4
	wideColumns = 72 // below, the bar has no description but the action
)

func terminalColumns(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok {
		return 0
	}
	columns, _, err := term.GetSize(int(f.Fd()))
	if err != nil || columns == 0 {
		return 80
	}
	return columns
}

// barWidth is the width in columns that a terminal has left for the bar of a run over total
// instances.
func barWidth(columns, total int) int {
	digits := len(strconv.Itoa(total))
	taken := len("start 100% || (/) ") + 2*digits + 1
	if columns >= wideColumns {
		taken += len(":  on the way,  failed") + 2*digits
	}
	return max(minBar, min(maxBar, columns-taken))
}

// Receive implements event.Listener.
func (p *progress) Receive(e event.Event) {
	p.tally.Receive(e)
	switch e := e.(type) {
	case event.RunStarted:
		p.begin(e.Run.ID)
	case event.Progressed:
		p.draw(e.Run.ID)
	}
}

// begin draws the empty bar of a run.
func (p *progress) begin(runID string) {
	start, _ := p.tally.Progress(runID)
	total := start.Total
	if !p.show || total == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	columns := terminalColumns(p.w)
	p.wide = columns >= wideColumns
	p.bar = progressbar.NewOptions(total,
		progressbar.OptionSetWriter(p.w), progressbar.OptionSetDescription(string(p.words.action)),
		progressbar.OptionShowCount(), progressbar.OptionSetWidth(barWidth(columns, total)), progressbar.OptionSetPredictTime(false),
		progressbar.OptionClearOnFinish())
	_ = p.bar.RenderBlank()
}

// draw draws how far a run is. The last step is always drawn.
func (p *progress) draw(runID string) {
	done, _ := p.tally.Progress(runID)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar == nil || done.Final < done.Total && time.Since(p.drawn) < redrawEvery {
		return
	}
	p.drawn = time.Now()
	if p.wide {
		p.bar.Describe(fmt.Sprintf("%s: %d on the way, %d failed", p.words.action, done.Pending, done.Failed))
	}
	_ = p.bar.Set(done.Final) // cosmetic
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
