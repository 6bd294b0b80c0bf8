package app

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"zecpower/apiclient"
	"zecpower/internal/config"
)

// key is an access key pair or a token that the account has used.
type key struct {
	credentials apiclient.Credentials
	accepted    atomic.Bool // some reply of the API accepted it
	// recorded is when the store last recorded that; nil: never in this process.
	recorded atomic.Pointer[time.Time]
}

// caller calls the API for one configuration of an account. It keeps the key that was in use when the
// newest run began: runs in progress outlive a new key. Once the API refuses the key, and the account
// uses another by then, the calls that follow use the other, so that a key which is deleted early
// fails no run. It is safe for concurrent use.
type caller struct {
	account *account
	config  apiclient.Config // but for the credentials

	mu     sync.Mutex // guards all below
	key    *key
	client *apiclient.Client
}

// newCaller makes a caller that begins with k.
func (a *account) newCaller(cfg *config.Config, k *key) (*caller, error) {
	of := cfg.Account(a.name).API
	c := &caller{account: a, config: apiclient.Config{
		Endpoint: of.Endpoint, APIVersion: of.APIVersion,
		Timeout: of.Timeout, MaxConns: of.MaxInFlight, UserAgent: a.userAgent, Observer: a, DialContext: a.access.DialContext,
	}}
	if err := c.change(k); err != nil {
		return nil, err
	}
	return c, nil
}

// change makes the calls that follow use k. Those in flight end with the client that they have.
func (c *caller) change(k *key) error {
	cfg := c.config
	cfg.Credentials = k.credentials
	client, err := apiclient.New(cfg)
	if err != nil {
		return err
	}
	if c.client != nil {
		c.client.Close()
	}
	c.key, c.client = k, client
	return nil
}

func (c *caller) current() (*apiclient.Client, *key) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.client, c.key
}

// refresh makes the calls that follow use the account's key: a run begins.
func (c *caller) refresh() {
	latest := c.account.key.Load()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.key != latest {
		_ = c.change(latest) // its credentials passed this when the account began to use them
	}
}

// Close drops idle connections. Calls in flight end as they would, and more may follow.
func (c *caller) Close() {
	client, _ := c.current()
	client.Close()
}

// StartInstances implements batcher.API.
func (c *caller) StartInstances(ctx context.Context, ids []string) (apiclient.PowerReply, error) {
	client, k := c.current()
	reply, err := client.StartInstances(ctx, ids)
	c.judge(k, err)
	return reply, err
}

// StopInstances implements batcher.API.
func (c *caller) StopInstances(ctx context.Context, ids []string, force bool) (apiclient.PowerReply, error) {
	client, k := c.current()
	reply, err := client.StopInstances(ctx, ids, force)
	c.judge(k, err)
	return reply, err
}

// DescribeInstancesStatus implements batcher.API.
func (c *caller) DescribeInstancesStatus(ctx context.Context, q apiclient.StatusQuery) (apiclient.StatusPage, error) {
	client, k := c.current()
	page, err := client.DescribeInstancesStatus(ctx, q)
	c.judge(k, err)
	return page, err
}

// DescribeInstances implements batcher.Lister.
func (c *caller) DescribeInstances(ctx context.Context, q apiclient.InstanceQuery) (apiclient.InstancePage, error) {
	client, k := c.current()
	page, err := client.DescribeInstances(ctx, q)
	c.judge(k, err)
	return page, err
}

// judge notes what a reply says about the key that it was made with.
func (c *caller) judge(used *key, err error) {
	if accepts(err) {
		used.accepted.Store(true)
		return
	}
	latest := c.account.key.Load()
	if used == latest || apiclient.ClassOf(err) != apiclient.ClassCredentials {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.key == used {
		_ = c.change(latest) // its credentials passed this when the account began to use them
	}
}

// accepts reports whether a reply shows that the API accepted the credentials, as the budget judges
// it.
func accepts(err error) bool {
	if err == nil {
		return true
	}
	e, ok := errors.AsType[*apiclient.Error](err)
	if !ok || !e.FromAPI() {
		return false
	}
	switch e.Class {
	case apiclient.ClassCredentials, apiclient.ClassAmbiguous, apiclient.ClassTransient:
		return false
	}
	return true
}
