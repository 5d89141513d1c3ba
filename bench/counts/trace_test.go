package counts

import (
	"maps"
	"os"
	"path/filepath"
	"testing"
)

func TestParseCall(t *testing.T) {
	tests := []struct{ line, name, fd string }{
		{"10558 epoll_wait(12<anon_inode:[eventpoll]>, [], 128, 0) = 0\n", "epoll_wait", "12<anon_inode:[eventpoll]>"},
		{"10558 recvfrom(16<TCP:[127.0.0.1:53006->127.0.3.1:41375]>, \"\"..., 32768, MSG_DONTWAIT, NULL, NULL) = 66\n", "recvfrom", "16<TCP:[127.0.0.1:53006->127.0.3.1:41375]>"},
		{"7 close(16<TCP:[127.0.0.1:53010->127.0.3.1:41375]>) = 0\n", "close", "16<TCP:[127.0.0.1:53010->127.0.3.1:41375]>"},
		{"1234567 epoll_wait(12<anon_inode:[eventpoll]>,  <unfinished ...>\n", "epoll_wait", "12<anon_inode:[eventpoll]>"},
		{"7 shutdown(15<TCPv6:[[::1]:80->[::1]:9]>, SHUT_WR) = 0\n", "shutdown", "15<TCPv6:[[::1]:80->[::1]:9]>"},
		{"7 socket(AF_INET, SOCK_STREAM, IPPROTO_IP) = 16<TCP:[307464]>\n", "socket", ""},
		{"7 read(8<anon_inode:[eventfd]> <unfinished ...>\n", "read", "8<anon_inode:[eventfd]>"},
		{"7 splice(3, NULL, 4, NULL, 65536, 0) = 1\n", "splice", ""},
		{"7   <... epoll_wait resumed>[{events=EPOLLIN}], 128, -1) = 1\n", "", ""},
		{"7 --- SIGURG {si_signo=SIGURG, si_code=SI_TKILL} ---\n", "", ""},
		{"7 +++ exited with 0 +++\n", "", ""},
		{"\n", "", ""},
	}
	for _, tt := range tests {
		c, ok := parseCall(tt.line)
		if ok != (tt.name != "") || c.name != tt.name || c.fd != tt.fd {
			t.Errorf("%q: %+v, %v", tt.line, c, ok)
		}
	}
}

// The gateway listens on 127.0.1.1:80, and set 5 of its sessions is inside of
// set 12. Set 6 is the runtime's.
const (
	setUp = `7 epoll_ctl(12<anon_inode:[eventpoll]>, EPOLL_CTL_ADD, 5<anon_inode:[eventpoll]>, {events=EPOLLIN}) = 0
7 epoll_ctl(5<anon_inode:[eventpoll]>, EPOLL_CTL_ADD, 11<TCP:[127.0.1.1:80]>, {events=EPOLLIN}) = 0
7 epoll_ctl(6<anon_inode:[eventpoll]>, EPOLL_CTL_ADD, 3<TCP:[127.0.1.1:8080]>, {events=EPOLLIN}) = 0
`
	message = `8 epoll_pwait(6<anon_inode:[eventpoll]>, [], 128, 0, NULL, 0) = 0
7 epoll_wait(12<anon_inode:[eventpoll]>, [], 128, 0) = 1
7 epoll_pwait(5<anon_inode:[eventpoll]>, [], 128, 0) = 1
7 recvfrom(15<TCP:[127.0.1.1:80->127.0.0.1:9]>, ""..., 32768, MSG_DONTWAIT <unfinished ...>
8 epoll_ctl(6<anon_inode:[eventpoll]>, EPOLL_CTL_DEL, 3<TCP:[127.0.1.1:8080]>, NULL) = 0
7 <... recvfrom resumed>, NULL, NULL) = 6
`
)

func TestTrace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "trace")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	tr, err := newTrace(path, "127.0.1.1:80", "127.0.3.1:9000")
	if err != nil {
		t.Fatal(err)
	}
	defer tr.close()
	takes := func(text string, timer bool, want Calls) {
		t.Helper()
		if _, err := f.WriteString(text); err != nil {
			t.Fatal(err)
		}
		s, err := tr.take()
		if err != nil {
			t.Fatal(err)
		}
		if !maps.Equal(s.calls, want) || s.timer != timer {
			t.Errorf("%+v, want %v and a timer: %v", s, want, timer)
		}
	}
	takes(setUp, false, Calls{"epoll_ctl": 1}) // set 12 was not yet a session's
	takes(message, false, Calls{"epoll_wait": 1, "epoll_pwait": 1, "recvfrom": 1})
	takes("7 epoll_wait(12<anon_inode:[eventpoll]>, ", false, Calls{})
	takes("[], 128, -1) = 1\n7 rea", false, Calls{"epoll_wait": 1})
	takes("d(9<anon_inode:[timerfd]>, \"\"..., 8) = 8\n", true, Calls{"read": 1})
	takes("", false, Calls{})
}

// TestSetsInAnyOrder: a set that is put inside another belongs to sessions
// whenever its socket comes.
func TestSetsInAnyOrder(t *testing.T) {
	add := func(set, member string) call {
		c, ok := parseCall("7 epoll_ctl(" + set + "<anon_inode:[eventpoll]>, EPOLL_CTL_ADD, " + member + ", {}) = 0\n")
		if !ok {
			t.Fatal(member)
		}
		return c
	}
	nested := add("12", "5<anon_inode:[eventpoll]>")
	socket := add("5", "16<TCP:[127.0.0.1:53006->127.0.3.1:9000]>")
	for _, order := range [][]call{{nested, socket}, {socket, nested}} {
		tr := &trace{ours: []string{"127.0.3.1:9000"}, inside: map[string]string{}, session: map[string]bool{}}
		for _, c := range order {
			tr.watch(c)
		}
		if len(tr.session) != 2 {
			t.Errorf("%v", tr.session)
		}
	}
}
