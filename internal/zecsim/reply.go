package zecsim

import (
	"encoding/json"
	"net/http"

	"zecpower/apiclient"
)

// Codes of ours below the documented prefixes.
const (
	codeInvalidAction      apiclient.Code = apiclient.CodeInvalidParameter + "_ACTION"
	codeInvalidVersion     apiclient.Code = apiclient.CodeInvalidParameter + "_VERSION"
	codeInvalidContentType apiclient.Code = apiclient.CodeInvalidParameter + "_CONTENT_TYPE"
	codeInvalidBody        apiclient.Code = apiclient.CodeInvalidParameter + "_BODY"
	codeInvalidIDs         apiclient.Code = apiclient.CodeInvalidParameter + "_INSTANCE_IDS"
	codeInvalidPage        apiclient.Code = apiclient.CodeInvalidParameter + "_PAGE"
	codeInvalidTags        apiclient.Code = apiclient.CodeInvalidParameter + "_TAGS"
	codeInvalidPath        apiclient.Code = apiclient.CodeInvalidParameter + "_PATH"
	codeInvalidMethod      apiclient.Code = apiclient.CodeInvalidParameter + "_METHOD"
	codeBadAuthorization   apiclient.Code = "AUTHFAILURE_INVALID_AUTHORIZATION"
)

// reply is an answer before it is written.
type reply struct {
	status  int
	code    apiclient.Code // of a failure
	message string
	header  http.Header // beyond the usual; may be nil
	payload payload     // of a success
}

// payload is the "response" object of a success.
type payload interface {
	setRequestID(id string)
	// addStray puts an instance in that the request did not name.
	addStray()
}

type powerPayload struct {
	RequestID   string   `json:"requestId"`
	InstanceIDs []string `json:"instanceIds"`
}

func (p *powerPayload) setRequestID(id string) { p.RequestID = id }
func (p *powerPayload) addStray()              { p.InstanceIDs = append(p.InstanceIDs, strayID) }

type pagePayload[T any] struct {
	RequestID  string `json:"requestId"`
	TotalCount int    `json:"totalCount"`
	DataSet    []T    `json:"dataSet"`
	stray      T
	null       bool // an empty DataSet is sent as null, not as []
}

func newPage[T any](total int, items []T, stray T, null bool) *pagePayload[T] {
	p := &pagePayload[T]{TotalCount: total, stray: stray, null: null}
	p.setItems(items)
	return p
}

func (p *pagePayload[T]) setItems(items []T) {
	if p.DataSet = items; len(items) == 0 && p.null {
		p.DataSet = nil
	}
}

func (p *pagePayload[T]) setRequestID(id string) { p.RequestID = id }
func (p *pagePayload[T]) addStray()              { p.DataSet = append(p.DataSet, p.stray) }

// omit leaves the items out that drop says; totalCount goes on counting them.
func (p *pagePayload[T]) omit(drop func() bool) {
	kept := p.DataSet[:0]
	for _, item := range p.DataSet {
		if !drop() {
			kept = append(kept, item)
		}
	}
	p.setItems(kept)
}

// strayID is an instance of another account.
const strayID = "i-stray00000"

func success(p payload) reply { return reply{status: http.StatusOK, payload: p} }

func failure(status int, code apiclient.Code, message string) reply {
	return reply{status: status, code: code, message: message}
}

// encode gives the body. The outer request id is a parameter because a fault may make it differ
// from the inner one.
func (a reply) encode(outerID, innerID string) []byte {
	var v any
	if a.payload != nil {
		a.payload.setRequestID(innerID)
		v = struct {
			RequestID string  `json:"requestId"`
			Response  payload `json:"response"`
		}{outerID, a.payload}
	} else {
		v = struct {
			RequestID string         `json:"requestId"`
			Code      apiclient.Code `json:"code"`
			Message   string         `json:"message"`
		}{outerID, a.code, a.message}
	}
	body, err := json.Marshal(v)
	if err != nil { // strings, numbers and lists of them always encode
		panic("zecsim: " + err.Error())
	}
	return body
}
