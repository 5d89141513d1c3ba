package account

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Listening reports whether a process of the group pgid listens on addr, which
// is an IPv4 address. It connects to nothing: the process behind stays one
// that never had a connection. Somebody else's socket at addr does not count.
func Listening(pgid int, addr netip.AddrPort) (bool, error) {
	b, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		return false, err
	}
	inodes := listeners(b, addr)
	if len(inodes) == 0 {
		return false, nil
	}
	pids, err := Members(pgid)
	if err != nil {
		return false, err
	}
	for _, pid := range pids {
		links, err := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/fd/*")
		if err != nil {
			return false, err
		}
		for _, l := range links {
			// A descriptor may have been closed meanwhile.
			if to, err := os.Readlink(l); err == nil && inodes[to] {
				return true, nil
			}
		}
	}
	return false, nil
}

// listeners returns the sockets at addr in the state LISTEN (0A), in the form
// that links to them have. Addresses in b, which is /proc/net/tcp, are
// hexadecimal in host order: little-endian here.
func listeners(b []byte, addr netip.AddrPort) map[string]bool {
	ip := addr.Addr().As4()
	ip[0], ip[1], ip[2], ip[3] = ip[3], ip[2], ip[1], ip[0]
	want := fmt.Sprintf("%s:%04X", strings.ToUpper(hex.EncodeToString(ip[:])), addr.Port())
	inodes := map[string]bool{}
	for line := range bytes.Lines(b) {
		if f := strings.Fields(string(line)); len(f) > 9 && f[1] == want && f[3] == "0A" {
			inodes["socket:["+f[9]+"]"] = true
		}
	}
	return inodes
}
