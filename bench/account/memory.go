package account

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// PSS is the proportional set size of the group pgid in bytes: pages shared
// with other processes count by their share.
func PSS(pgid int) (int64, error) {
	pids, err := Members(pgid)
	if err != nil {
		return 0, err
	}
	if len(pids) == 0 {
		return 0, fmt.Errorf("process group %d has no process", pgid)
	}
	var sum int64
	for _, pid := range pids {
		b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/smaps_rollup")
		if err != nil {
			return 0, err
		}
		sum += number(b, "Pss:") << 10
	}
	return sum, nil
}

// Kernel is the kernel memory of the whole machine, in bytes.
type Kernel struct {
	Slab    int64 // objects in use in slab caches, but for those that files and processes fill
	Sockets int64 // pages that TCP has charged for buffers
}

// KernelMemory reads it. ok is false where /proc/slabinfo cannot be read, which
// takes root.
func KernelMemory() (k Kernel, ok bool) {
	b, err := os.ReadFile("/proc/slabinfo")
	if err != nil {
		return k, false
	}
	if k.Slab, err = parseSlabinfo(b); err != nil {
		return k, false
	}
	if b, err = os.ReadFile("/proc/net/sockstat"); err != nil {
		return k, false
	}
	k.Sockets = parseSockstat(b) * int64(os.Getpagesize())
	return k, true
}

// elsewhere are the slab caches that other programs fill while one is measured,
// by the beginnings of their names: what is read from files and from /proc,
// processes and their memory, and connections that are over (TIME_WAIT, up to a
// minute) or not there yet.
var elsewhere = []string{
	"proc_inode_cache", "inode_cache", "shmem_inode_cache", "ext4_", "xfs_", "btrfs_", "ovl_", "squashfs_", "kernfs_", "radix_tree_node", "buffer_head",
	"anon_vma", "vm_area_struct", "vma_lock", "maple_node", "mm_struct", "task_struct", "signal_cache", "sighand_cache", "files_cache", "fs_cache", "cred_jar", "pid", "names_cache",
	"tw_sock_", "request_sock_",
}

// parseSlabinfo adds up active objects times object size (slabinfo 2.1), but
// for the caches that are elsewhere. An entry of a directory belongs to each
// file of /proc that was looked at: those do not count either.
func parseSlabinfo(b []byte) (sum int64, err error) {
	var entries, entry, looked int64
	for line := range bytes.Lines(b) {
		f := strings.Fields(string(line))
		if len(f) < 4 || f[0] == "slabinfo" || f[0] == "#" {
			continue
		}
		active, err1 := strconv.ParseInt(f[1], 10, 64)
		size, err2 := strconv.ParseInt(f[3], 10, 64)
		if err1 != nil || err2 != nil {
			return 0, fmt.Errorf("unexpected slabinfo line %q", line)
		}
		switch {
		case f[0] == "dentry":
			entries, entry = active, size
		case f[0] == "proc_inode_cache":
			looked = active
		case slices.ContainsFunc(elsewhere, func(name string) bool { return strings.HasPrefix(f[0], name) }):
		default:
			sum += active * size
		}
	}
	return sum + (entries-looked)*entry, nil
}

// parseSockstat returns the pages in the TCP line.
func parseSockstat(b []byte) int64 {
	for line := range bytes.Lines(b) {
		f := strings.Fields(string(line))
		if len(f) == 0 || f[0] != "TCP:" {
			continue
		}
		for i := 1; i+1 < len(f); i += 2 {
			if f[i] == "mem" {
				n, _ := strconv.ParseInt(f[i+1], 10, 64)
				return n
			}
		}
	}
	return 0
}

// OwnPSS is the proportional set size of this process in bytes.
func OwnPSS() (int64, error) {
	b, err := os.ReadFile("/proc/self/smaps_rollup")
	if err != nil {
		return 0, err
	}
	return number(b, "Pss:") << 10, nil
}

// Available is how many bytes of the machine's memory can be had without
// swapping, as the kernel estimates it.
func Available() (int64, error) {
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, err
	}
	return number(b, "MemAvailable:") << 10, nil
}
