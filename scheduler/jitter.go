package scheduler

import (
	"crypto/sha256"
	"encoding/binary"
	"time"
)

// jitterSalt keeps the hash apart from any other use of a schedule's name. It
// is the same on every host: a standby must pick the same second. Changing it
// moves every jittered run.
const jitterSalt = "zecpower/jitter/1\x00"

// JitterOffset is the shift of every run of s behind its nominal time: whole
// seconds in [0, Jitter), from the name alone, so the same every day, after
// every restart and on every host. A window under two seconds gives 0.
func (s *Schedule) JitterOffset() time.Duration {
	window := uint64(max(s.Jitter, 0) / time.Second)
	if window < 2 {
		return 0
	}
	sum := sha256.Sum256([]byte(jitterSalt + s.Name))
	return time.Duration(binary.BigEndian.Uint64(sum[:8])%window) * time.Second
}
