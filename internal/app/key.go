package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"go.uber.org/zap"

	"zecpower/apiclient"
	"zecpower/internal/power"
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
func (a *account) acceptedKey() string {
	k := a.key.Load()
	if !k.accepted.Load() {
		return ""
	}
	return KeyName(k.credentials)
}

// readKey reads the credentials' source again. It is the key in use where they have not changed, or
// cannot.
func (a *account) readKey() (*key, error) {
	k := a.key.Load()
	if a.access.Read == nil {
		return k, nil
	}
	c, err := a.access.Read()
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s%w; the key from before stays in use", a.prefix(), err)
	case c == k.credentials:
		return k, nil
	}
	return &key{credentials: c}, nil
}

// prefix begins an error about the account, where that is not the default one.
func (a *account) prefix() string {
	if a.name == power.DefaultAccount {
		return ""
	}
	return "account " + a.name + ": "
}

// recordKeys records which access keys are accepted, each at most once in keyRecordEvery. Runs by
// hand then know that one refusal of one may be a flaky reply.
func (d *Daemon) recordKeys() {
	for _, a := range d.accounts.Load().of {
		k, now := a.key.Load(), time.Now()
		name := a.acceptedKey()
		if name == "" || !k.recordDue(now) {
			continue
		}
		if err := d.store.AcceptKey(context.Background(), name, now); err != nil {
			d.log.Warn("the store has no record that the access key is accepted", zap.String("account", a.name), zap.Error(err))
		}
	}
}

// recordDue reports whether the key was not recorded for keyRecordEvery, and notes that it is now.
func (k *key) recordDue(now time.Time) bool {
	last := k.recorded.Load()
	return (last == nil || now.Sub(*last) >= keyRecordEvery) && k.recorded.CompareAndSwap(last, &now)
}
