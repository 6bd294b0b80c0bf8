package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
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

// recordKey records that the access key is accepted, at most once in keyRecordEvery. Runs by hand
// then know that one refusal of it may be a flaky reply.
func (d *Daemon) recordKey() {
	name := KeyName(d.opts.Credentials)
	if name == "" || !d.account.budget.CredentialsAccepted() {
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
