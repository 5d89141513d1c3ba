package imports

import "strings"

// A rule says what the packages of one folder may import besides themselves.
// Paths inside the module are relative to it.
type rule struct {
	folder string // the package in it and those below
	inside []string
	// outside lists modules' packages by prefix. The standard library is free
	// for all.
	outside []string
	// anyLibrary allows every package of other modules.
	anyLibrary bool
	// calls allows system calls: golang.org/x/sys/unix and the functions of
	// package syscall.
	calls bool
}

// rules is searched for the longest folder that holds a package.
var rules = []rule{
	{
		folder:     "cmd/wsgate",
		inside:     []string{"eventloop", "handshake", "splice", "lb"},
		anyLibrary: true,
	},
	{
		folder:     "cmd/wsbench",
		inside:     []string{"bench"},
		anyLibrary: true,
		calls:      true,
	},
	{
		folder:  "eventloop",
		inside:  []string{"handshake", "splice", "lb"},
		outside: []string{"github.com/cloudwego/netpoll"},
	},
	{
		folder: "handshake",
	},
	{
		folder:  "splice",
		outside: []string{"github.com/gobwas/ws", "github.com/valyala/bytebufferpool", "golang.org/x/sys", "golang.org/x/crypto"},
	},
	{
		folder:  "splice/sys",
		outside: []string{"golang.org/x/sys"},
		calls:   true,
	},
	{
		folder:  "lb",
		outside: []string{"github.com/cespare/xxhash/v2"},
	},
	{
		folder:     "bench",
		anyLibrary: true,
		calls:      true,
	},
}

// under reports whether path is folder or below it.
func under(path, folder string) bool {
	return path == folder || strings.HasPrefix(path, folder+"/")
}

// ruleFor returns the rule for the package at path.
func ruleFor(path string) (rule, bool) {
	var best rule
	for _, r := range rules {
		if under(path, r.folder) && len(r.folder) > len(best.folder) {
			best = r
		}
	}
	return best, best.folder != ""
}

// allowed reports whether a package under r may import path of the module
// (inside) or of another one.
func (r rule) allowed(path string, inside bool) bool {
	if !inside && r.anyLibrary {
		return true
	}
	list := r.outside
	if inside {
		// splice/sys stays importable from splice, whose folder holds it; the
		// other way round would be a cycle.
		list = append([]string{r.folder}, r.inside...)
	}
	for _, folder := range list {
		if under(path, folder) {
			return true
		}
	}
	return false
}
