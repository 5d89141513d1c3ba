package account

import (
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	f, err := parseStat("12 (a ) (b) R 1 34 34 0 -1 4194560 1 2 3 4 17 29 0 0 20 0 1 0 5 6")
	if err != nil {
		t.Fatal(err)
	}
	if f[0] != "R" || f[2] != "34" || f[11] != "17" || f[12] != "29" {
		t.Fatalf("%q", f)
	}
	for _, bad := range []string{"", "12", "12 (x) R 1"} {
		if _, err := parseStat(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestParseSlabinfo(t *testing.T) {
	const in = `slabinfo - version: 2.1
# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables <limit> <batchcount> <sharedfactor> : slabdata <active_slabs> <num_slabs> <sharedavail>
TCP                  10     12   2432   13    8 : tunables    0    0    0 : slabdata      1      1      0
filp                100    120    256   16    1 : tunables    0    0    0 : slabdata      8      8      0
dentry               50     63    192   21    1 : tunables    0    0    0 : slabdata      3      3      0
proc_inode_cache     30     44    704   22    4 : tunables    0    0    0 : slabdata      2      2      0
tw_sock_TCP        9000   9008    256   16    1 : tunables    0    0    0 : slabdata    563    563      0
anon_vma_chain      200    256     64   64    1 : tunables    0    0    0 : slabdata      4      4      0
`
	if n, err := parseSlabinfo([]byte(in)); err != nil || n != 10*2432+100*256+(50-30)*192 {
		t.Fatalf("%d, %v", n, err)
	}
	if _, err := parseSlabinfo([]byte("TCP many 12 2432 13\n")); err == nil {
		t.Fatal("a word for a number is taken")
	}
}

func TestParseSockstat(t *testing.T) {
	if n := parseSockstat([]byte("sockets: used 16\nTCP: inuse 1 orphan 0 tw 0 alloc 1 mem 105\nUDP: inuse 0 mem 7\n")); n != 105 {
		t.Fatal(n)
	}
}

func TestParseBusy(t *testing.T) {
	busy, stolen, err := parseBusy([]byte("cpu  100 10 50 9999 77 5 15 3 0 0\ncpu0 1 2 3\n"))
	if err != nil || busy != 1800*time.Millisecond || stolen != 30*time.Millisecond {
		t.Fatalf("%v, %v, %v", busy, stolen, err)
	}
	if _, _, err := parseBusy([]byte("intr 1 2 3\n")); err == nil {
		t.Fatal("another line is taken")
	}
}

func TestSinceAddsUp(t *testing.T) {
	a := Usage{CPU: 1e9, User: 600e6, System: 400e6, Switches: 5}
	b := Usage{CPU: 3_000_000_001, User: 1600e6, System: 1400e6, Switches: 12}
	d := b.Since(a)
	if d.CPU != 2_000_000_001 || d.User+d.System != d.CPU || d.User != d.CPU/2 || d.Switches != 7 {
		t.Fatalf("%+v", d)
	}
}

// group starts a process in a group of its own that lives until its input ends.
func group(t *testing.T) int {
	cmd := exec.Command("cat")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
	return cmd.Process.Pid
}

func TestTakeReadsAGroup(t *testing.T) {
	g := group(t)
	u, err := Take(g)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(u.PIDs, []int{g}) || u.CPU <= 0 || u.Switches <= 0 {
		t.Fatalf("%+v", u)
	}
	pss, err := PSS(g)
	if err != nil || pss < 4096 {
		t.Fatalf("PSS %d, %v", pss, err)
	}
}

func TestTakeWithoutProcesses(t *testing.T) {
	const nobody = 1 << 22 // above the highest process number
	if _, err := Take(nobody); err == nil {
		t.Fatal("usage of nobody")
	}
	if _, err := PSS(nobody); err == nil {
		t.Fatal("memory of nobody")
	}
}

func TestTakeSeesWorkDone(t *testing.T) {
	self := syscall.Getpgrp()
	before, err := Take(self)
	if err != nil {
		t.Fatal(err)
	}
	x := 0
	for i := range 50_000_000 {
		x ^= i
	}
	after, err := Take(self)
	if err != nil {
		t.Fatal(err)
	}
	if d := after.Since(before); d.CPU <= 0 || x == 1 {
		t.Fatalf("%+v", d)
	}
}

func TestListening(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := netip.MustParseAddrPort(l.Addr().String())
	self := syscall.Getpgrp()
	if ok, err := Listening(self, addr); err != nil || !ok {
		t.Fatalf("%v, %v", ok, err)
	}
	if ok, err := Listening(group(t), addr); err != nil || ok {
		t.Fatalf("of another group: %v, %v", ok, err)
	}
	l.Close()
	if ok, err := Listening(self, addr); err != nil || ok {
		t.Fatalf("after Close: %v, %v", ok, err)
	}
}

func TestHere(t *testing.T) {
	m := Here()
	if m.Cores < 1 || m.Kernel == "" || m.MemoryBytes == 0 || m.Go == "" || m.Descriptors == 0 {
		t.Fatalf("%+v", m)
	}
}

func TestKernelMemoryForRoot(t *testing.T) {
	k, ok := KernelMemory()
	if os.Geteuid() == 0 && (!ok || k.Slab <= 0) {
		t.Fatalf("%+v, %v", k, ok)
	}
}

func TestOwnMemory(t *testing.T) {
	before, err := OwnPSS()
	if err != nil {
		t.Fatal(err)
	}
	held := make([]byte, 32<<20)
	for i := 0; i < len(held); i += 4096 {
		held[i] = 1
	}
	after, err := OwnPSS()
	if err != nil || after-before < 24<<20 {
		t.Errorf("%d, then %d with 32 MiB more, %v", before, after, err)
	}
	runtime.KeepAlive(held)
	if free, err := Available(); err != nil || free <= 0 || free > Here().MemoryBytes {
		t.Errorf("%d of %d bytes available, %v", free, Here().MemoryBytes, err)
	}
}
