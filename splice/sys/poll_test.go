package sys

import (
	"errors"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestClassify(t *testing.T) {
	for e, want := range map[Errno]Outcome{
		0: OK, syscall.EAGAIN: WouldBlock,
		syscall.ECONNRESET: Gone, syscall.EPIPE: Gone, syscall.ETIMEDOUT: Gone, syscall.ECONNABORTED: Gone,
		syscall.EHOSTUNREACH: Gone, syscall.ENETUNREACH: Gone, syscall.ENETDOWN: Gone, syscall.EHOSTDOWN: Gone,
		syscall.ECONNREFUSED: Gone, syscall.ENOTCONN: Gone,
		syscall.EINVAL: Unsupported, syscall.ENOSYS: Unsupported, syscall.EOPNOTSUPP: Unsupported,
		syscall.EMFILE: NoResource, syscall.ENFILE: NoResource, syscall.ENOMEM: NoResource, syscall.ENOBUFS: NoResource,
		syscall.EBADF: Fault, syscall.EFAULT: Fault,
	} {
		if got := Classify(e); got != want {
			t.Errorf("%v is %v, want %v", e, got, want)
		}
	}
	seen := map[string]bool{}
	for o := OK; o <= Fault+1; o++ {
		if s := o.String(); s == "" || seen[s] {
			t.Errorf("outcome %d is called %q", o, s)
		} else {
			seen[s] = true
		}
	}
	for e, want := range map[Errno]bool{syscall.ECONNRESET: true, syscall.ETIMEDOUT: true, syscall.EPIPE: false, syscall.ECONNREFUSED: false, 0: false} {
		if IsReset(e) != want {
			t.Errorf("IsReset(%v) is %v", e, !want)
		}
	}
}

func TestEpollCarriesData(t *testing.T) {
	ep, err := EpollCreate()
	must(t, err)
	defer Close(ep)
	ev, err := EventFD()
	must(t, err)
	defer Close(ev)
	const data = uint64(0xfedcba98_87654321)
	must(t, EpollAdd(ep, ev, unix.EPOLLIN, data))
	if err := EpollAdd(ep, ev, unix.EPOLLIN, data); !errors.Is(err, syscall.EEXIST) {
		t.Errorf("added twice: %v", err)
	}
	events := make([]unix.EpollEvent, 4)
	wantEvents := func(want int) {
		t.Helper()
		n, e := EpollWait(ep, events)
		if n != want || e != 0 {
			t.Fatalf("%d events, %v, want %d", n, e, want)
		}
		if n == 1 {
			if got := uint64(uint32(events[0].Fd)) | uint64(uint32(events[0].Pad))<<32; got != data || events[0].Events != unix.EPOLLIN {
				t.Fatalf("data %#x, events %#x", got, events[0].Events)
			}
		}
	}
	wantEvents(0)
	EventFDSignal(ev)
	EventFDSignal(ev)
	wantEvents(1)
	must(t, EpollMod(ep, ev, 0, data))
	wantEvents(0)
	must(t, EpollMod(ep, ev, unix.EPOLLIN|unix.EPOLLET, data))
	wantEvents(1)
	wantEvents(0) // one edge
	must(t, EpollMod(ep, ev, unix.EPOLLIN, data))
	EventFDDrain(ev)
	wantEvents(0)
	EventFDSignal(ev)
	wantEvents(1)
	must(t, EpollDel(ep, ev))
	wantEvents(0)
	if err := EpollDel(ep, ev); !errors.Is(err, syscall.ENOENT) {
		t.Errorf("removed twice: %v", err)
	}
	if n, e := EpollWait(ep, nil); n != 0 || e != 0 {
		t.Errorf("no room: %d %v", n, e)
	}
	if _, e := EpollWait(ev, events); e != syscall.EINVAL {
		t.Errorf("no epoll descriptor: %v", e)
	}
}

func TestEpollIsPollable(t *testing.T) {
	ep, err := EpollCreate()
	must(t, err)
	defer Close(ep)
	ev, err := EventFD()
	must(t, err)
	defer Close(ev)
	must(t, EpollAdd(ep, ev, unix.EPOLLIN, 1))
	EventFDSignal(ev)
	poll(t, ep, unix.POLLIN)
}

func TestTimerFD(t *testing.T) {
	fd, err := TimerFD()
	must(t, err)
	defer Close(fd)
	must(t, TimerFDSet(fd, time.Millisecond, time.Millisecond))
	poll(t, fd, unix.POLLIN)
	TimerFDDrain(fd)
	poll(t, fd, unix.POLLIN) // the interval
	must(t, TimerFDSet(fd, 0, 0))
	TimerFDDrain(fd)
	var count [8]byte
	if _, o, _ := (Kernel{}).Read(fd, count[:]); o != WouldBlock {
		t.Errorf("disarmed and drained, but reading says %v", o)
	}
	if err := TimerFDSet(fd, -time.Second, 0); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("negative time: %v", err)
	}
}

func TestPipeAndDup(t *testing.T) {
	r, w, capacity, o, e := Pipe(128 << 10)
	if o != OK {
		t.Fatal(e)
	}
	if got, err := unix.FcntlInt(uintptr(r), unix.F_GETPIPE_SZ, 0); err != nil || got != capacity {
		t.Errorf("capacity %d, but the kernel says %d %v", capacity, got, err)
	}
	second, err := Dup(w)
	must(t, err)
	Close(w)
	if _, err := unix.Write(second, []byte("x")); err != nil {
		t.Error(err)
	}
	if fl, err := unix.FcntlInt(uintptr(second), unix.F_GETFD, 0); err != nil || fl&unix.FD_CLOEXEC == 0 {
		t.Errorf("descriptor flags %#x, %v", fl, err)
	}
	Close(second)
	buf := make([]byte, 2)
	n, o, _ := Kernel{}.Read(r, buf)
	want(t, "read", n, o, 1, OK)
	n, o, _ = Kernel{}.Read(r, buf)
	want(t, "read at the end", n, o, 0, EOF)
	Close(r)
	if _, err := Dup(r); err == nil {
		t.Error("a closed descriptor was duplicated")
	}
	if _, o, e := (Kernel{}).Read(r, buf); o != Fault || e != syscall.EBADF {
		t.Errorf("closed descriptor: %v %v", o, e)
	}
}

// A size that is not to be had leaves the kernel's.
func TestPipeOfImpossibleSize(t *testing.T) {
	r, w, capacity, o, e := Pipe(1 << 30)
	if o != OK {
		t.Fatal(e)
	}
	defer Close(r)
	defer Close(w)
	if got, err := unix.FcntlInt(uintptr(w), unix.F_GETPIPE_SZ, 0); err != nil || got != capacity {
		t.Errorf("capacity %d, but the kernel says %d %v", capacity, got, err)
	}
}

// With no descriptor left everything that makes one says so, and a connection
// stays in the queue until there is one again.
func TestOutOfDescriptors(t *testing.T) {
	ln, addr := listenOn(t, "127.0.0.1:0", &ListenOptions{})
	c, o, e := Connect(addr)
	if o != OK {
		t.Fatal(e)
	}
	defer Close(c)
	poll(t, ln, unix.POLLIN)
	var old syscall.Rlimit
	must(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &old))
	must(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 0, Max: old.Max}))
	_, _, acceptO, acceptE := Accept(ln)
	_, connectO, _ := Connect(addr)
	_, _, _, pipeO, _ := Pipe(4096)
	must(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &old))
	if acceptO != NoResource || acceptE != syscall.EMFILE || connectO != NoResource || pipeO != NoResource {
		t.Errorf("accept %v %v, connect %v, pipe %v", acceptO, acceptE, connectO, pipeO)
	}
	s, _, o, e := Accept(ln)
	if o != OK {
		t.Fatalf("with descriptors again: %v %v", o, e)
	}
	Close(s)
}

func TestDescriptorLimit(t *testing.T) {
	got, err := DescriptorLimit()
	must(t, err)
	var lim syscall.Rlimit
	must(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &lim))
	if got != lim.Cur || lim.Cur != lim.Max {
		t.Errorf("%d, but the kernel says %d of %d", got, lim.Cur, lim.Max)
	}
}

func TestNoAllocation(t *testing.T) {
	ln, addr := listenOn(t, "127.0.0.1:0", &ListenOptions{})
	c, s, _ := pair(t, "127.0.0.1:0")
	defer Close(c)
	defer Close(s)
	ep, err := EpollCreate()
	must(t, err)
	defer Close(ep)
	timer, err := TimerFD()
	must(t, err)
	defer Close(timer)
	r, w, _, _, _ := Pipe(4096)
	defer Close(r)
	defer Close(w)
	var io IO = Kernel{}
	buf := make([]byte, 16)
	events := make([]unix.EpollEvent, 8)
	for name, f := range map[string]func(){
		"relay": func() {
			io.Write(c, buf[:1], false)
			io.Read(s, buf)
			io.Splice(s, w, 1, false)
			io.Splice(r, s, 1, false)
		},
		"epoll": func() {
			_ = EpollAdd(ep, c, unix.EPOLLIN|unix.EPOLLET, 1)
			EpollWait(ep, events)
			_ = EpollMod(ep, c, unix.EPOLLIN, 1)
			_ = EpollDel(ep, c)
			_ = TimerFDSet(timer, time.Hour, 0)
			TimerFDDrain(timer)
		},
		"connect and accept": func() {
			fd, o, _ := Connect(addr)
			if o != OK || !ready(ln, unix.POLLIN) {
				panic("no connection")
			}
			nfd, _, o, _ := Accept(ln)
			if o != OK {
				panic("not accepted")
			}
			SockError(fd)
			CloseReset(nfd)
			CloseReset(fd)
		},
	} {
		t.Run(name, func(t *testing.T) {
			if n := testing.AllocsPerRun(100, f); n != 0 {
				t.Errorf("%v allocations", n)
			}
		})
	}
}
