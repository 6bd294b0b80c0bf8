package apiclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"unique"
)

// The actions, as X-ZC-Action and as the api_action of metrics.
const (
	ActionStartInstances          = "StartInstances"
	ActionStopInstances           = "StopInstances"
	ActionDescribeInstancesStatus = "DescribeInstancesStatus"
	ActionDescribeInstances       = "DescribeInstances"
)

// PowerReply answers StartInstances and StopInstances. Acceptance is not
// arrival: only DescribeInstancesStatus says that an instance is RUNNING.
type PowerReply struct {
	RequestID string
	// Failed lists the ids that the API did not take the action for.
	Failed []string
}

// InstanceStatus is one instance's state.
type InstanceStatus struct {
	InstanceID string `json:"instanceId"`
	State      State  `json:"instanceStatus"`
}

// StatusQuery asks for states. Without ids it asks for all instances, page by page.
type StatusQuery struct {
	InstanceIDs     []string // at most MaxInstanceIDs
	ResourceGroupID string
	PageSize        int // 1–1000; 0 means 1000. It is always sent: the API's own default, 20, would cut 100 ids short.
	PageNum         int // from 1; 0 means 1
}

// StatusPage answers DescribeInstancesStatus. An id that was asked for and is
// not in Instances does not exist, provided that TotalCount instances are listed.
type StatusPage struct {
	RequestID  string
	TotalCount int
	Instances  []InstanceStatus
}

type powerRequest struct {
	InstanceIDs   []string `json:"instanceIds"`
	ForceShutdown *bool    `json:"forceShutdown,omitempty"`
}

type powerResponse struct {
	InstanceIDs []string `json:"instanceIds"`
}

// pageRequest has the fields of InstanceQuery, in its order, as the wire names them.
type pageRequest struct {
	InstanceIDs     []string `json:"instanceIds,omitempty"`
	ZoneID          string   `json:"zoneId,omitempty"`
	ImageID         string   `json:"imageId,omitempty"`
	State           State    `json:"status,omitempty"`
	Name            string   `json:"name,omitempty"`
	IPv4Address     string   `json:"ipv4Address,omitempty"`
	ResourceGroupID string   `json:"resourceGroupId,omitempty"`
	TagKeys         []string `json:"tagKeys,omitempty"`
	Tags            []Tag    `json:"tags,omitempty"`
	PageSize        int      `json:"pageSize"`
	PageNum         int      `json:"pageNum"`
}

type pageResponse[T any] struct {
	TotalCount *int    `json:"totalCount"`
	DataSet    list[T] `json:"dataSet"`
}

// list is a JSON list that also knows whether it was there. The API writes an
// empty page as null.
type list[T any] struct {
	items   []T
	present bool
}

// UnmarshalJSON implements json.Unmarshaler; it is called for null, too.
func (l *list[T]) UnmarshalJSON(data []byte) error {
	l.present = true
	return json.Unmarshal(data, &l.items)
}

// readQuickly implements quickReader for a page with rows. A large run spends most of its time in such
// replies; the piecewise way goes over each row six times.
func (p *pageResponse[T]) readQuickly(body []byte) (requestID string, ok bool) {
	var env struct {
		RequestID string `json:"requestId"`
		Code      Code   `json:"code"`
		Message   string `json:"message"`
		Response  struct {
			TotalCount *int `json:"totalCount"`
			DataSet    []T  `json:"dataSet"`
		} `json:"response"`
	}
	if json.Unmarshal(body, &env) != nil || env.Code != "" || len(env.Response.DataSet) == 0 {
		return "", false
	}
	p.TotalCount, p.DataSet = env.Response.TotalCount, list[T]{items: env.Response.DataSet, present: true}
	return env.RequestID, true
}

// StartInstances asks to start 1–100 instances that are STOPPED. Errors are *Error.
func (c *Client) StartInstances(ctx context.Context, ids []string) (PowerReply, error) {
	return c.power(ctx, ActionStartInstances, powerRequest{InstanceIDs: ids})
}

// StopInstances asks to stop 1–100 instances that are RUNNING. force cuts the
// power instead of asking the guest; it is always sent, because the API forces
// where it is left out. Errors are *Error.
func (c *Client) StopInstances(ctx context.Context, ids []string, force bool) (PowerReply, error) {
	return c.power(ctx, ActionStopInstances, powerRequest{InstanceIDs: ids, ForceShutdown: &force})
}

func (c *Client) power(ctx context.Context, action string, in powerRequest) (PowerReply, error) {
	if n := len(in.InstanceIDs); n < 1 || n > MaxInstanceIDs {
		return PowerReply{}, notSent(action, fmt.Errorf("%d instance ids; a request takes 1 to %d", n, MaxInstanceIDs))
	}
	var out powerResponse
	requestID, err := c.call(ctx, action, true, in, &out)
	if err != nil {
		return PowerReply{}, err
	}
	return PowerReply{RequestID: requestID, Failed: out.InstanceIDs}, nil
}

// DescribeInstancesStatus asks for the states of up to 100 instances, or for a
// page of all. Errors are *Error.
func (c *Client) DescribeInstancesStatus(ctx context.Context, q StatusQuery) (StatusPage, error) {
	in := pageRequest{InstanceIDs: q.InstanceIDs, ResourceGroupID: q.ResourceGroupID, PageSize: q.PageSize, PageNum: q.PageNum}
	requestID, out, err := describe[InstanceStatus](ctx, c, ActionDescribeInstancesStatus, in)
	if err != nil {
		return StatusPage{}, err
	}
	page := StatusPage{RequestID: requestID, TotalCount: *out.TotalCount, Instances: out.DataSet.items}
	for i, s := range page.Instances { // new names may appear, and go to logs and reports
		page.Instances[i].State = State(unique.Make(printable(string(s.State))).Value()) // one text for all
	}
	return page, nil
}

func describe[T any](ctx context.Context, c *Client, action string, in pageRequest) (string, pageResponse[T], error) {
	var out pageResponse[T]
	in.PageSize, in.PageNum = or(in.PageSize, MaxPageSize), or(in.PageNum, 1)
	if err := in.check(c.version); err != nil {
		return "", out, notSent(action, err)
	}
	requestID, err := c.call(ctx, action, false, in, &out)
	if err == nil && (!out.DataSet.present || out.TotalCount == nil || *out.TotalCount < 0) {
		err = unreadable(action, "totalCount or dataSet is missing")
	}
	return requestID, out, err
}

// check holds a query against the documented limits of a version of the API.
func (p *pageRequest) check(version string) error {
	switch {
	case len(p.InstanceIDs) > MaxInstanceIDs || p.PageSize < 1 || p.PageSize > MaxPageSize || p.PageNum < 1:
		return fmt.Errorf("%d instance ids, page %d of size %d; a request takes at most %d ids and pages of 1 to %d",
			len(p.InstanceIDs), p.PageNum, p.PageSize, MaxInstanceIDs, MaxPageSize)
	case len(p.TagKeys) > MaxTagFilters || len(p.Tags) > MaxTagFilters:
		return fmt.Errorf("%d tag keys and %d tags; a request takes at most %d of each", len(p.TagKeys), len(p.Tags), MaxTagFilters)
	case len(p.TagKeys)+len(p.Tags) > 0 && version == versionWithoutTags:
		return fmt.Errorf("a filter by tags, which version %s of the API does not have; set api_version to %s", version, defaultAPIVersion)
	}
	return nil
}

// unreadable is the error of a describe whose reply cannot be believed.
func unreadable(action, why string) *Error {
	return lost(action, false, errors.New("unreadable reply: "+why))
}

// notSent is the error of a request that breaks the API's documented limits.
func notSent(action string, err error) *Error {
	return &Error{Action: action, Class: ClassRequest, Err: fmt.Errorf("not sent: %w", err)}
}
