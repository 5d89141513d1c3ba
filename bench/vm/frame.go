package vm

import (
	"encoding/base64"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
)

// What the command in the machine says is a line for each frame:
//
//	~vm KIND NUMBER CHECKSUM PAYLOAD
//
// NUMBER counts the frames from 0, CHECKSUM is the payload's CRC-32 in
// hexadecimal, PAYLOAD is base64. Other lines are nobody's: the machine's own
// complaints come the same way.
const mark = "~vm"

// Kinds of frames.
const (
	kindLog    = "log"    // a line for people
	kindPart   = "part"   // of the result, more follows
	kindResult = "result" // the rest of the result
	kindError  = "error"  // in place of a result
)

// maxPayload keeps a frame below what line-wise readers hold.
const maxPayload = 12 << 10

// Port is the guest's side. Its methods may be called from any goroutine.
type Port struct {
	mu  sync.Mutex
	w   io.WriteCloser
	seq int
}

// Device is where the second serial port is in the guest.
const Device = "/dev/ttyS1"

// Open opens the port in the guest.
func Open() (*Port, error) {
	f, err := os.OpenFile(Device, os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	return &Port{w: f}, nil
}

// Close closes the port.
func (p *Port) Close() error { return p.w.Close() }

// Log sends a line for people.
func (p *Port) Log(line string) error { return p.send(kindLog, []byte(line)) }

// Result sends what the command has found.
func (p *Port) Result(b []byte) error {
	for len(b) > maxPayload {
		if err := p.send(kindPart, b[:maxPayload]); err != nil {
			return err
		}
		b = b[maxPayload:]
	}
	return p.send(kindResult, b)
}

// Fail sends why there is no result.
func (p *Port) Fail(why error) error { return p.send(kindError, []byte(why.Error())) }

func (p *Port) send(kind string, payload []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	payload = payload[:min(len(payload), maxPayload)]
	_, err := fmt.Fprintf(p.w, "%s %s %d %08x %s\n", mark, kind, p.seq, crc32.ChecksumIEEE(payload), base64.StdEncoding.EncodeToString(payload))
	p.seq++
	return err
}

// errFrame is a frame that did not come as it was sent.
var errFrame = errors.New("the serial port lost or changed something")

// receiver is the host's side: it takes line after line.
type receiver struct {
	log    func(string)
	seq    int
	result []byte
	done   bool  // result is whole, or err is set
	err    error // why there is no result
}

// line takes what the machine printed.
func (r *receiver) line(s string) {
	if r.done || !strings.HasPrefix(s, mark+" ") {
		return
	}
	kind, payload, err := r.parse(strings.TrimSuffix(s, "\r"))
	if err != nil {
		r.done, r.err = true, err
		return
	}
	r.seq++
	switch kind {
	case kindLog:
		r.log(string(payload))
	case kindPart, kindResult:
		r.result = append(r.result, payload...)
		r.done = kind == kindResult
	case kindError:
		r.done, r.err = true, errors.New(string(payload))
	default:
		r.done, r.err = true, fmt.Errorf("%w: a frame of kind %q", errFrame, kind)
	}
}

func (r *receiver) parse(s string) (kind string, payload []byte, err error) {
	f := strings.Split(s, " ")
	if len(f) != 5 {
		return "", nil, fmt.Errorf("%w: %.80q", errFrame, s)
	}
	if f[2] != strconv.Itoa(r.seq) {
		return "", nil, fmt.Errorf("%w: frame %s came when %d was due", errFrame, f[2], r.seq)
	}
	payload, err = base64.StdEncoding.DecodeString(f[4])
	if err != nil || fmt.Sprintf("%08x", crc32.ChecksumIEEE(payload)) != f[3] {
		return "", nil, fmt.Errorf("%w: frame %d has a wrong checksum", errFrame, r.seq)
	}
	return f[1], payload, nil
}
