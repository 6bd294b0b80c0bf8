package scheduler

import (
	"crypto/sha256"
	"encoding/binary"
	"time"
)

// jitterSalt separates this hash from any other use of a schedule's name. It is the same on every
// host, because a standby must compute the same second. Changing it moves every jittered run.
const jitterSalt = "zecpower/jitter/1\x00"

// JitterOffset returns by how much every run of s begins after its nominal time. It is a whole
// number of seconds in [0, Jitter) and depends on the schedule's name and Jitter alone: it is the
// same every day, after every restart and on every host. A Jitter under two seconds gives 0.
func (s *Schedule) JitterOffset() time.Duration {
	window := uint64(max(s.Jitter, 0) / time.Second)
	if window < 2 {
		return 0
	}
	sum := sha256.Sum256([]byte(jitterSalt + s.Name))
	return time.Duration(binary.BigEndian.Uint64(sum[:8])%window) * time.Second
}
