package sys

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// secondProcess names the address that a second run of the test binary tries
// to listen on, in place of running tests.
const secondProcess = "SYS_TEST_LISTEN"

// listenAndReport is the second program: 0 when it could listen, 3 when the
// address is in use.
func listenAndReport() int {
	a, err := ParseAddr(os.Getenv(secondProcess))
	if err != nil {
		fmt.Println(err)
		return 2
	}
	fd, err := Listen(&a, &ListenOptions{})
	switch {
	case err == nil:
		Close(fd)
		return 0
	case errors.Is(err, syscall.EADDRINUSE):
		return 3
	}
	fmt.Println(err)
	return 2
}

func second(t *testing.T, addr string) int {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), secondProcess+"="+addr)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if len(out) > 0 {
		t.Logf("second process: %s", out)
	}
	return cmd.ProcessState.ExitCode()
}

func TestSecondProcessFindsAddressInUse(t *testing.T) {
	for name, addr := range addresses(t) {
		t.Run(name, func(t *testing.T) {
			fd, err := Listen(mustAddr(t, addr), &ListenOptions{})
			if err != nil {
				t.Fatal(err)
			}
			bound, path, err := LocalAddr(fd)
			if err != nil {
				t.Fatal(err)
			}
			where := "unix:" + path
			if path == "" {
				where = bound.String()
				joined, err := ListenShared(mustAddr(t, where), &ListenOptions{})
				if err != nil {
					t.Fatal(err)
				}
				defer Close(joined)
				if code := second(t, where); code != 3 {
					t.Errorf("with a shared socket there, the second process exits with %d", code)
				}
				Close(joined)
				joined = -1
			}
			if code := second(t, where); code != 3 {
				t.Errorf("the second process exits with %d", code)
			}
			if _, err := Listen(mustAddr(t, where), &ListenOptions{}); !errors.Is(err, syscall.EADDRINUSE) {
				t.Errorf("second Listen: %v", err)
			}
			Close(fd)
			if code := second(t, where); code != 0 {
				t.Errorf("once the address is free, the second process exits with %d", code)
			}
		})
	}
}

func TestSharedSocketsSpreadConnections(t *testing.T) {
	first, addr := listenOn(t, "127.0.0.1:0", &ListenOptions{})
	joined, err := ListenShared(addr, &ListenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer Close(joined)
	const connections = 64
	for range connections {
		fd, o, e := Connect(addr)
		if o != OK {
			t.Fatal(e)
		}
		poll(t, fd, unix.POLLOUT)
		defer CloseReset(fd)
	}
	got := map[int]int{}
	for _, ln := range []int{first, joined} {
		for range connections {
			fd, _, o, _ := Accept(ln)
			if o == WouldBlock {
				break
			}
			if o != OK {
				t.Fatalf("accept: %v", o)
			}
			Close(fd)
			got[ln]++
		}
	}
	// 2^-63 is how often all of them hash to one socket.
	if got[first]+got[joined] != connections || got[first] == 0 || got[joined] == 0 {
		t.Errorf("the first took %d, the second %d of %d", got[first], got[joined], connections)
	}
}

func TestUnixRefusesSharing(t *testing.T) {
	_, addr := listenOn(t, "unix:"+filepath.Join(t.TempDir(), "s"), &ListenOptions{})
	if _, err := ListenShared(addr, &ListenOptions{}); !errors.Is(err, syscall.EOPNOTSUPP) {
		t.Error(err)
	}
}

func TestUnixStaleFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	addr := mustAddr(t, "unix:"+path)
	fd, err := Listen(addr, &ListenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	Close(fd) // leaves the file
	if _, o, e := Connect(addr); o != Gone || e != syscall.ECONNREFUSED {
		t.Fatalf("connect to a stale file: %v %v", o, e)
	}
	fd, err = Listen(addr, &ListenOptions{Backlog: 1})
	if err != nil {
		t.Fatalf("stale file: %v", err)
	}
	defer Close(fd)
	if _, err := Listen(addr, &ListenOptions{}); !errors.Is(err, syscall.EADDRINUSE) {
		t.Fatalf("live file: %v", err)
	}
	// A full queue is a listener, too, and a refusal of the endpoint.
	var o Outcome
	for range 64 {
		var c int
		var e Errno
		if c, o, e = Connect(addr); o != OK {
			if e != syscall.EAGAIN {
				t.Fatal(e)
			}
			break
		}
		defer Close(c)
	}
	if o != Gone {
		t.Fatalf("connect to a full queue: %v", o)
	}
	if _, err := Listen(addr, &ListenOptions{}); !errors.Is(err, syscall.EADDRINUSE) {
		t.Fatalf("file with a full queue: %v", err)
	}
}

func TestUnixLeavesOtherFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "precious")
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(mustAddr(t, "unix:"+path), &ListenOptions{}); !errors.Is(err, syscall.EADDRINUSE) {
		t.Error(err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "x" {
		t.Errorf("the file is gone: %q %v", b, err)
	}
}

func TestListenErrors(t *testing.T) {
	for _, s := range []string{"192.0.2.1:0", "unix:/nonexistent/dir/s"} {
		if fd, err := Listen(mustAddr(t, s), &ListenOptions{}); err == nil {
			Close(fd)
			t.Errorf("listening on %s worked", s)
		}
	}
}

func TestConnectOutcomes(t *testing.T) {
	ln, addr := listenOn(t, "127.0.0.1:0", &ListenOptions{})
	c, o, e := Connect(addr)
	if o != OK {
		t.Fatal(e)
	}
	defer Close(c)
	poll(t, c, unix.POLLOUT)
	if e := SockError(c); e != 0 {
		t.Errorf("connected, with error %v", e)
	}
	_ = unix.Shutdown(ln, unix.SHUT_RDWR) // stops listening, keeps the port
	fd, o, e := Connect(addr)
	switch o {
	case OK:
		poll(t, fd, unix.POLLOUT)
		e = SockError(fd)
		Close(fd)
	case Gone:
	default:
		t.Fatalf("refused connect: %v %v", o, e)
	}
	if e != syscall.ECONNREFUSED {
		t.Errorf("refused connect: %v", e)
	}
	if _, o, e := Connect(mustAddr(t, "unix:/nonexistent/s")); o != Gone || e != syscall.ENOENT {
		t.Errorf("unix socket that is not there: %v %v", o, e)
	}
	if _, o, _ := Connect(&SockAddr{}); o == OK {
		t.Error("connected to the zero address")
	}
}

func TestAcceptedSocketsInherit(t *testing.T) {
	o := &ListenOptions{KeepAlive: TCPOptions{
		KeepAliveIdle: 42*time.Second + 1, KeepAliveInterval: 7 * time.Second, KeepAliveCount: 3, UserTimeout: 1500*time.Millisecond + 1,
	}}
	ln, addr := listenOn(t, "127.0.0.1:0", o)
	c, out, e := Connect(addr)
	if out != OK {
		t.Fatal(e)
	}
	defer Close(c)
	poll(t, ln, unix.POLLIN)
	s, _, out, e := Accept(ln)
	if out != OK {
		t.Fatal(e)
	}
	defer Close(s)
	for _, opt := range []struct {
		name              string
		fd, level, option int
		want              int
	}{
		{"idle", s, unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 43},
		{"interval", s, unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 7},
		{"count", s, unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 3},
		{"user timeout", s, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 1501},
		{"keepalive", s, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
		{"nodelay", s, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
		{"nodelay of a connect", c, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
		{"keepalive of a connect", c, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 0},
	} {
		if got, e := getInt(opt.fd, opt.level, opt.option); e != 0 || got != opt.want {
			t.Errorf("%s: %d %v, want %d", opt.name, got, e, opt.want)
		}
	}
	if fl, err := unix.FcntlInt(uintptr(s), unix.F_GETFL, 0); err != nil || fl&unix.O_NONBLOCK == 0 {
		t.Errorf("accepted socket has flags %#x, %v", fl, err)
	}
	if fl, err := unix.FcntlInt(uintptr(s), unix.F_GETFD, 0); err != nil || fl&unix.FD_CLOEXEC == 0 {
		t.Errorf("accepted socket has descriptor flags %#x, %v", fl, err)
	}
}

func TestAcceptUnmaps(t *testing.T) {
	ln, addr := listenOn(t, "[::]:0", &ListenOptions{})
	_, port, _ := net.SplitHostPort(addr.String())
	c, out, e := Connect(mustAddr(t, "127.0.0.1:"+port))
	if out != OK {
		t.Fatal(e)
	}
	defer Close(c)
	poll(t, ln, unix.POLLIN)
	s, peer, out, e := Accept(ln)
	if out != OK {
		t.Fatal(e)
	}
	defer Close(s)
	if !peer.Addr().Is4() || peer.Addr().String() != "127.0.0.1" {
		t.Errorf("peer %v", peer)
	}
}

func TestAcceptOutcomes(t *testing.T) {
	ln, _ := listenOn(t, "127.0.0.1:0", &ListenOptions{})
	if _, _, o, e := Accept(ln); o != WouldBlock || e != syscall.EAGAIN {
		t.Errorf("nothing waits: %v %v", o, e)
	}
	c, s, _ := pair(t, "127.0.0.1:0")
	defer Close(c)
	defer Close(s)
	if _, _, o, _ := Accept(s); o != Unsupported {
		t.Errorf("socket that does not listen: %v", o)
	}
}

func TestParseAddr(t *testing.T) {
	for _, s := range []string{"127.0.0.1:9001", "[::1]:9001", "[fe80::1%1]:80", "[fe80::1%lo]:80", "unix:/run/x.sock"} {
		if a := mustAddr(t, s); a.String() != s || a.Unix() != strings.HasPrefix(s, "unix:") {
			t.Errorf("%s became %s", s, a.String())
		}
	}
	for _, s := range []string{
		"", "127.0.0.1", "localhost:80", ":80", "127.0.0.1:", "127.0.0.1:65536", "::1:80", "[fe80::1%no-such]:80",
		"unix:", "unix:@x", "unix:a\x00b", "unix:/" + strings.Repeat("x", 107),
	} {
		if a, err := ParseAddr(s); err == nil {
			t.Errorf("%q was taken as %v", s, a.String())
		}
	}
}
