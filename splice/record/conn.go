package record

import (
	"errors"
	"fmt"
)

const (
	headerLen = 5
	tagLen    = 16 // of all three suites
	nonceLen  = 12 // of all three suites
	maxPlain  = 1 << 14
	// maxSealed is the longest record's payload (RFC 8446 5.2).
	maxSealed = maxPlain + 256
	// maxUseless bounds the records without application data in a row, as
	// crypto/tls does: each costs a decryption and moves nothing.
	maxUseless = 16
	// maxMessage bounds a post-handshake message: a NewSessionTicket is at most
	// a little over 64 KiB long (RFC 8446 4.6.1).
	maxMessage = 64 << 10
)

// The content types of records (RFC 8446 B.1).
const (
	typeAlert     = 21
	typeHandshake = 22
	typeData      = 23
)

// The post-handshake messages (RFC 8446 B.3).
const (
	msgNewSessionTicket = 4
	msgKeyUpdate        = 24
)

// Direction is the state of one direction.
type Direction struct {
	Secret [48]byte // application_traffic_secret_N; 32 bytes but for AES-256
	Key    [32]byte // 16 bytes for AES-128
	IV     [12]byte
	Suite  Suite
	Epoch  uint16 // how often the keys have been updated
	Seq    uint64 // of the next record under Key
}

func (d *Direction) secret() []byte { return d.Secret[:d.Suite.hash().Size()] }

func (d *Direction) key() []byte { return d.Key[:d.Suite.keyLen()] }

// set takes a traffic secret and derives key and IV (RFC 8446 7.3).
func (d *Direction) set(secret []byte) {
	clear(d.Key[:])
	copy(d.Secret[:], secret)
	key := d.Suite.expandLabel(d.secret(), "key", d.Suite.keyLen())
	copy(d.Key[:], key)
	clear(key)
	copy(d.IV[:], d.Suite.expandLabel(d.secret(), "iv", nonceLen))
	d.Seq = 0
}

// update goes on to the next secret (RFC 8446 7.2).
func (d *Direction) update() {
	next := d.Suite.expandLabel(d.secret(), "traffic upd", d.Suite.hash().Size())
	d.set(next)
	clear(next)
	d.Epoch++
}

// flags of a Conn.
const (
	isClient   = 1 << iota // we are the TLS client
	oweUpdate              // the peer has asked for a KeyUpdate
	askUpdate              // the peer's keys are used up: ask for a KeyUpdate
	askedFor               // and it has been asked
	readClosed             // close_notify, or a fatal alert, has come
)

// Conn is a TLS 1.3 connection after its handshake.
type Conn struct {
	in, out Direction
	entry   *entry  // in a Cache; nil: the ciphers have to be built
	message *[]byte // a post-handshake message that is not whole; nil: none
	useless uint8   // records without application data in a row
	flags   uint8
}

// Init prepares c. client tells that our side is the TLS client: it may be sent
// NewSessionTicket messages, which are ignored. read and write are the
// application traffic secrets of the peer and of our side; they are copied.
func (c *Conn) Init(suite Suite, client bool, read, write []byte) error {
	if !Supported(uint16(suite)) {
		return fmt.Errorf("cipher suite %#04x is not one of TLS 1.3", uint16(suite))
	}
	if n := suite.hash().Size(); len(read) != n || len(write) != n {
		return errors.New("a traffic secret has the wrong length")
	}
	*c = Conn{}
	if client {
		c.flags = isClient
	}
	c.in.Suite, c.out.Suite = suite, suite
	c.in.set(read)
	c.out.set(write)
	return nil
}

// SetSeq sets how many records have been opened and sealed under the secrets.
func (c *Conn) SetSeq(read, write uint64) { c.in.Seq, c.out.Seq = read, write }

// Wipe zeroes the secrets. c must have been dropped from its Cache.
func (c *Conn) Wipe() {
	if c.message != nil {
		clear(*c.message)
	}
	*c = Conn{}
}

// Event is what a record held besides application data.
type Event uint8

// The events.
const (
	None        Event = iota // application data, or nothing of interest
	CloseNotify              // the peer sends nothing more
	Ticket                   // a NewSessionTicket
	Updated                  // the peer's keys have been updated
)
