package zecsim

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"zecpower/apiclient"
)

// page is what a proxy in between shows.
const page = "<html>\r\n<head><title>%[1]s</title></head>\r\n<body>\r\n<center><h1>%[1]s</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"

// padding fills endless and huge replies, a block at a time.
const paddingBlock = 32 << 10

// deliver writes the answer, or what the request's fault makes of it, after the account's latency.
func (x *exchange) deliver(s *Simulator, w http.ResponseWriter, r *http.Request, a reply) {
	latency := s.opts.Latency.Fixed + time.Duration(x.rng.Float64()*float64(s.opts.Latency.Jitter))
	x.wait(r.Context(), latency)
	w.Header().Set("Date", s.serverTime().UTC().Format(http.TimeFormat))
	if x.fault == nil {
		x.write(w, a, a.encode(x.requestID, x.requestID))
		return
	}
	switch x.fault.Kind {
	case FaultLostBefore, FaultAppliedLost:
		panic(http.ErrAbortHandler)
	case FaultHTML, FaultHTML200, FaultRedirect, FaultChallenge, FaultLegal451:
		x.deliverForeign(w)
	case FaultSlow:
		x.wait(r.Context(), or(x.fault.Delay, defaultSlowDelay))
		w.Header().Set("Date", s.serverTime().UTC().Format(http.TimeFormat))
		x.write(w, a, a.encode(x.requestID, x.requestID))
	case FaultTruncated, FaultCut, FaultTrickle:
		x.deliverPiecemeal(w, r, a)
	case FaultEndless, FaultHuge:
		x.deliverTooMuch(w, r, a)
	default:
		x.deliverAltered(w, a)
	}
}

// wait sleeps; a client that leaves meanwhile ends the request.
func (x *exchange) wait(ctx context.Context, d time.Duration) {
	if d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
		}
	}
	if ctx.Err() != nil {
		x.abandon()
	}
}

// abandon ends a request whose client is gone.
func (x *exchange) abandon() {
	x.record.Abandoned = true
	panic(http.ErrAbortHandler)
}

// head sends the header of a reply whose body is length bytes, or unknown where that is negative.
func (x *exchange) head(w http.ResponseWriter, status int, contentType string, length int64) {
	w.Header().Set("Content-Type", contentType)
	if length >= 0 {
		w.Header().Set("Content-Length", strconv.FormatInt(length, 10))
	}
	x.record.Status = status
	w.WriteHeader(status)
}

func (x *exchange) write(w http.ResponseWriter, a reply, body []byte) {
	for name, values := range a.header {
		w.Header()[name] = values
	}
	x.record.Code = a.code
	x.head(w, a.status, "application/json;charset=UTF-8", int64(len(body)))
	if _, err := w.Write(body); err != nil {
		x.abandon()
	}
}

// deliverForeign answers as something between client and API would.
func (x *exchange) deliverForeign(w http.ResponseWriter) {
	status := or(x.fault.Status, http.StatusBadGateway)
	switch x.fault.Kind {
	case FaultHTML200:
		status = http.StatusOK
	case FaultRedirect:
		status = []int{http.StatusFound, http.StatusTemporaryRedirect}[x.rng.IntN(2)]
		w.Header().Set("Location", "https://signin.example.invalid/"+strings.TrimPrefix(apiclient.Path, "/"))
	case FaultChallenge:
		status = http.StatusForbidden
		w.Header().Set("Cf-Mitigated", "challenge")
	case FaultLegal451:
		status = http.StatusUnavailableForLegalReasons
	}
	text := fmt.Sprintf(page, strconv.Itoa(status)+" "+http.StatusText(status))
	x.head(w, status, "text/html", int64(len(text)))
	_, _ = io.WriteString(w, text)
}

// deliverPiecemeal sends a part of the reply, or all of it a byte at a time.
func (x *exchange) deliverPiecemeal(w http.ResponseWriter, r *http.Request, a reply) {
	body := a.encode(x.requestID, x.requestID)
	half := body[:len(body)/2]
	switch x.fault.Kind {
	case FaultTruncated:
		x.write(w, a, half)
	case FaultCut:
		x.head(w, a.status, "application/json", int64(len(body)))
		_, _ = w.Write(half)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	default:
		x.head(w, a.status, "application/json", int64(len(body)))
		for i := range body {
			x.send(w, body[i:i+1])
			x.wait(r.Context(), or(x.fault.Delay, defaultTrickleDelay))
		}
	}
}

// send writes and flushes; a client that does not read it is gone.
func (x *exchange) send(w http.ResponseWriter, b []byte) {
	if _, err := w.Write(b); err != nil {
		x.abandon()
	}
	if err := http.NewResponseController(w).Flush(); err != nil {
		x.abandon()
	}
}

// deliverTooMuch sends a reply that a client must not hold in memory. A huge one is well-formed to
// the end.
func (x *exchange) deliverTooMuch(w http.ResponseWriter, r *http.Request, a reply) {
	body := a.encode(x.requestID, x.requestID)
	prefix, suffix := `{"padding":"`, `",`+string(body[1:])
	size, left := int64(-1), forever.Nanoseconds()
	if x.fault.Kind == FaultHuge {
		size = max(or(x.fault.Size, defaultHugeSize), int64(len(prefix)+len(suffix)))
		left = size - int64(len(prefix)+len(suffix))
	}
	x.head(w, a.status, "application/json", size)
	x.send(w, []byte(prefix))
	block := []byte(strings.Repeat("x", paddingBlock))
	for left > 0 {
		if r.Context().Err() != nil {
			x.abandon()
		}
		n := min(left, int64(len(block)))
		x.send(w, block[:n])
		left -= n
	}
	x.send(w, []byte(suffix))
}

// deliverAltered answers in good order, but not with the truth.
func (x *exchange) deliverAltered(w http.ResponseWriter, a reply) {
	outerID := x.requestID
	switch x.fault.Kind {
	case FaultError5xx:
		a = x.serverError()
	case FaultAuthFailure:
		a = failure(or(x.fault.Status, http.StatusUnauthorized), or(x.fault.Code, apiclient.CodeSignatureFailure), "The request could not be authenticated.")
	case FaultWrongShape:
		x.write(w, reply{status: http.StatusOK}, []byte(x.wrongShape()))
		return
	case FaultOmit:
		if p, ok := a.payload.(interface{ omit(func() bool) }); ok {
			p.omit(func() bool { return x.rng.IntN(2) == 0 })
		}
	case FaultStrayIDs:
		if a.payload != nil {
			a.payload.addStray()
		}
	case FaultWrongRequestID:
		outerID = "T" + strings.Repeat("0", 15) + "1"
	}
	x.write(w, a, a.encode(outerID, x.requestID))
}

func (x *exchange) serverError() reply {
	kinds := []reply{
		failure(http.StatusInternalServerError, apiclient.CodeInternalServerError, "The server met an internal error."),
		failure(http.StatusServiceUnavailable, apiclient.CodeServiceUnavailable, "The service is temporarily unavailable."),
		failure(http.StatusGatewayTimeout, apiclient.CodeRequestTimedOut, "The request timed out."),
	}
	a := kinds[x.rng.IntN(len(kinds))]
	a.status, a.code = or(x.fault.Status, a.status), or(x.fault.Code, a.code)
	return a
}

// wrongShape is JSON that is not the documented reply of any action.
func (x *exchange) wrongShape() string {
	shapes := []string{
		`null`, `[]`, `"accepted"`, `true`, `{}`, `{"requestId":7}`,
		`{"requestId":"T1","response":null}`, `{"requestId":"T1","response":[]}`, `{"requestId":"T1","response":"ok"}`,
		`{"requestId":"T1","response":{"instanceIds":[1,2],"totalCount":"many","dataSet":{}}}`,
		`{"requestId":"T1","response":{"instanceIds":"none","dataSet":[[]],"totalCount":{}}}`,
	}
	return shapes[x.rng.IntN(len(shapes))]
}
