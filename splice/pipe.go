package splice

import "wsgate/splice/sys"

// pipeSize is asked of the kernel for a pipe; what it grants (65,536 bytes for
// a user beyond fs.pipe-user-pages-soft) is used.
const pipeSize = 1 << 20

// Pipe is a kernel pipe lent to a half. It belongs to that half until it is
// given back, empty, or abandoned with what is in it.
type Pipe struct {
	r, w int
	cap  int
	n    int // bytes in the pipe
}

// pipes is a loop's bounded store of pipes. A pipe costs two descriptors, so
// the bound is part of the reserve that limits.connections leaves.
type pipes struct {
	max    int
	open   int
	free   []*Pipe
	missed uint64
}

// get lends an empty pipe, or nil when the bound is reached or the process is
// out of descriptors: the caller then copies.
func (s *pipes) get() *Pipe {
	if n := len(s.free); n > 0 {
		p := s.free[n-1]
		s.free = s.free[:n-1]
		return p
	}
	if s.open < s.max {
		r, w, c, out, _ := sys.Pipe(pipeSize)
		if out == sys.OK {
			s.open++
			return &Pipe{r: r, w: w, cap: c}
		}
	}
	s.missed++
	return nil
}

// put takes p back. One with bytes left in it is closed: they are lost.
func (s *pipes) put(p *Pipe) {
	if p.n > 0 {
		s.close(p)
		return
	}
	s.free = append(s.free, p)
}

func (s *pipes) close(p *Pipe) {
	sys.Close(p.r)
	sys.Close(p.w)
	s.open--
}

// shut closes the pipes that nobody uses.
func (s *pipes) shut() {
	for _, p := range s.free {
		s.close(p)
	}
	s.free = nil
}
