package app

import (
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
)

// A request may take ten minutes, the unit's TimeoutStopSec is one.
func TestStopAsksForTheTimeOfTheLongestRequest(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	newNotifier(zap.NewNop()).stopping(10 * time.Minute)
	buffer := make([]byte, 1000)
	n, err := conn.Read(buffer)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(buffer[:n]), "\n")
	if lines[0] != "STOPPING=1" || lines[1] != "EXTEND_TIMEOUT_USEC=615000000" {
		t.Errorf("systemd was sent %q", lines)
	}
}
