package e2e

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
)

// waitUnread waits until at least n established connections whose local
// address is addr hold bytes that their process has not read, as the kernel
// reports it in /proc/net/tcp.
func waitUnread(t *testing.T, addr string, n int) {
	t.Helper()
	a := netip.MustParseAddrPort(addr)
	ip := a.Addr().As4()
	local := fmt.Sprintf("%02X%02X%02X%02X:%04X", ip[3], ip[2], ip[1], ip[0], a.Port())
	const established = "01"
	eventually(t, wireLimit, fmt.Sprintf("%d connections with unread bytes at %s", n, addr), func() bool {
		b, err := os.ReadFile("/proc/net/tcp")
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		for line := range strings.Lines(string(b)) {
			f := strings.Fields(line)
			if len(f) > 4 && f[1] == local && f[3] == established && !strings.HasSuffix(f[4], ":00000000") {
				found++
			}
		}
		return found >= n
	})
}
