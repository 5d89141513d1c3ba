package handshake

// Bounds of a chunked body. maxTrailers stays below what net/http can hold in
// its read buffer, which is how it finds the end of a trailer section.
const (
	maxChunk          = 1 << 60 // bytes of data in one chunk
	maxChunkDigits    = 16
	maxChunkExtension = 256
	maxTrailers       = 2048 // bytes of the whole trailer section
	maxChunkExcess    = 16 << 10
)

// Body follows a message body through the bytes of a connection without touching
// them, so that what is behind the body is never taken for a part of it or the
// other way round. It is a small value; the zero value has nothing to follow and
// is Done. Chunks are checked strictly (RFC 9112 section 7.1): what Consume lets
// through has one reading only.
type Body struct {
	left     int64 // bytes of a Length body or of the chunk being read
	excess   int64 // bytes of chunk lines beyond what the data is worth
	response bool
	kind     FramingKind
	state    bodyState
	fault    fault
	count    uint16 // digits, bytes of extensions or of the trailer section so far
	trailer  trailer
}

type bodyState uint8

const (
	inSize bodyState = iota
	inExtension
	atSizeLF
	inData
	atDataCR
	atDataLF
	inTrailer
)

// Init makes d follow the body of a client's message.
func (d *Body) Init(f Framing) {
	*d = Body{kind: f.Kind}
	if f.Kind == Length {
		if d.left = f.Length; d.left <= 0 {
			d.kind = NoBody
		}
	}
}

// InitResponse makes d follow the body of an endpoint's message: the same, with
// errors that have the status 502.
func (d *Body) InitResponse(f Framing) {
	d.Init(f)
	d.response = true
}

// Done tells whether the body has ended. A body that UntilClose frames never has.
func (d *Body) Done() bool { return d.kind == NoBody }

// Consume looks at p, the next bytes of the connection. The first n of them
// belong to the body and are verified; done tells that the body ended with them.
// With an error, p[n] is the byte that is wrong; every later call returns the
// same error. It does not allocate.
func (d *Body) Consume(p []byte) (n int, done bool, err *Error) {
	if d.fault != faultNone {
		return 0, false, d.error()
	}
	switch d.kind {
	case NoBody:
		return 0, true, nil
	case UntilClose:
		return len(p), false, nil
	case Length:
		n = int(min(int64(len(p)), d.left))
		if d.left -= int64(n); d.left == 0 {
			d.kind = NoBody
		}
		return n, d.Done(), nil
	}
	for n < len(p) && d.kind != NoBody {
		if d.state == inData {
			k := int(min(int64(len(p)-n), d.left))
			n += k
			if d.left -= int64(k); d.left == 0 {
				d.state = atDataCR
			}
			continue
		}
		if d.fault = d.step(p[n]); d.fault != faultNone {
			return n, false, d.error()
		}
		n++
	}
	return n, d.Done(), nil
}

func (d *Body) error() *Error {
	if d.response {
		return d.fault.inResponse()
	}
	return d.fault.inRequest()
}

// step takes one byte that is not data of a chunk.
func (d *Body) step(c byte) fault {
	switch d.state {
	case inSize:
		return d.size(c)
	case inExtension:
		switch {
		case c == '\r':
			d.state = atSizeLF
		case c < ' ' || c >= 0x7f || d.count == maxChunkExtension:
			return faultChunkExtension
		default:
			d.count++
			d.excess++
		}
	case atSizeLF:
		if c != '\n' {
			return faultChunkSize
		}
		return d.sized()
	case atDataCR:
		if c != '\r' {
			return faultChunkEnd
		}
		d.state = atDataLF
	case atDataLF:
		if c != '\n' {
			return faultChunkEnd
		}
		d.state, d.count = inSize, 0
	case inTrailer:
		if d.count == maxTrailers {
			return faultTrailerTooLarge
		}
		d.count++
		ended, f := d.trailer.step(c)
		if ended {
			d.kind = NoBody
		}
		return f
	}
	return faultNone
}

// size takes a byte of the chunk size: hexadecimal digits, at least one, without
// sign, prefix or white space.
func (d *Body) size(c byte) fault {
	if class[c]&classHex != 0 {
		if d.count == maxChunkDigits || d.left > maxChunk>>4 {
			return faultChunkSize
		}
		d.count++
		d.left = d.left<<4 | int64(hexValue(c))
		return faultNone
	}
	if d.count == 0 {
		return faultChunkSize
	}
	d.excess += int64(d.count)
	switch c {
	case '\r':
		d.state = atSizeLF
	case ';':
		d.state, d.count = inExtension, 0
		d.excess++
	default:
		return faultChunkSize
	}
	return faultNone
}

// sized goes on behind a chunk size line. As in net/http, a chunk may cost 16
// bytes and twice its data; what goes beyond that adds up and is bounded.
func (d *Body) sized() fault {
	d.excess = max(d.excess+4-16-2*d.left, 0)
	if d.excess > maxChunkExcess {
		return faultChunkOverhead
	}
	if d.left == 0 {
		d.state, d.count = inTrailer, 0
	} else {
		d.state = inData
	}
	return faultNone
}

func hexValue(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c <= 'F':
		return c - 'A' + 10
	}
	return c - 'a' + 10
}
