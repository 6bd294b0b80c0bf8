package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"go.uber.org/zap"

	"zecpower/apiclient"
	"zecpower/internal/store/bolt"
)

// keyRecordEvery is how often the daemon records that its access key is accepted.
const keyRecordEvery = time.Hour

// KeyName names an access key in the store and in status without showing it: a hash of its id. A
// bearer token has no id and no name, so it counts as never accepted.
func KeyName(c apiclient.Credentials) string {
	if c.AccessKeyID == "" {
		return ""
	}
	sum := sha256.Sum256([]byte("zecpower/access-key/1\x00" + c.AccessKeyID))
	return hex.EncodeToString(sum[:8])
}

// KeyOnRecord reports whether the store of a state folder knows that the API accepted the key. It
// is false where no store can be read.
func KeyOnRecord(stateDir, name string) bool {
	l, err := bolt.OpenReadOnly(stateDir)
	if err != nil {
		return false
	}
	defer func() { _ = l.Close() }() // nothing was written
	at, err := l.KeyAccepted(context.Background(), name)
	return err == nil && !at.IsZero()
}

// acceptedKey is the name of the access key in use, where the API has accepted it in this process.
func (d *Daemon) acceptedKey() string {
	k := d.account.key.Load()
	if !k.accepted.Load() {
		return ""
	}
	return KeyName(k.credentials)
}

// readKey reads the credentials' source again. It is the key in use where they have not changed, or
// cannot.
func (d *Daemon) readKey() (*key, error) {
	k := d.account.key.Load()
	if d.opts.ReadCredentials == nil {
		return k, nil
	}
	c, err := d.opts.ReadCredentials()
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w; the key from before stays in use", err)
	case c == k.credentials:
		return k, nil
	}
	return &key{credentials: c}, nil
}

// useKey makes runs that begin from now on use k, and reports whether that is another key than
// before. What is known of the one before does not hold for it.
func (d *Daemon) useKey(k *key) (changed bool) {
	if !d.account.use(k) {
		return false
	}
	d.keyRecorded.Store(nil)
	return true
}

// recordKey records that the access key is accepted, at most once in keyRecordEvery. Runs by hand
// then know that one refusal of it may be a flaky reply.
func (d *Daemon) recordKey() {
	name := d.acceptedKey()
	if name == "" {
		return
	}
	now := time.Now()
	last := d.keyRecorded.Load()
	if last != nil && now.Sub(*last) < keyRecordEvery || !d.keyRecorded.CompareAndSwap(last, &now) {
		return
	}
	if err := d.store.AcceptKey(context.Background(), name, now); err != nil {
		d.log.Warn("the store has no record that the access key is accepted", zap.Error(err))
	}
}
