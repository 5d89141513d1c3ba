package record

import "crypto/cipher"

// Cache holds the ciphers of the connections that were used last. It belongs to
// one goroutine at a time.
type Cache struct {
	max         int
	n           int
	built       uint64
	first, last *entry // the one used last is first
}

// entry holds the two ciphers of a connection, and what a call passes to them
// by reference, which would otherwise be allocated for every record.
type entry struct {
	in, out    cipher.AEAD
	conn       *Conn
	prev, next *entry
	iv         [nonceLen]byte
	header     [headerLen]byte
}

// NewCache returns a Cache of at most sessions connections, one at least.
func NewCache(sessions int) *Cache { return &Cache{max: max(sessions, 1)} }

// Len returns the number of connections whose ciphers are held.
func (k *Cache) Len() int { return k.n }

// Built returns how many pairs of ciphers have been built so far.
func (k *Cache) Built() uint64 { return k.built }

// get returns the ciphers of c.
func (k *Cache) get(c *Conn) *entry {
	e := c.entry
	if e == nil {
		e = k.build(c)
	} else if k.first != e {
		k.unlink(e)
		k.push(e)
	}
	return e
}

func (k *Cache) build(c *Conn) *entry {
	if k.n >= k.max {
		k.Drop(k.last.conn)
	}
	k.built++
	e := &entry{conn: c, in: c.in.Suite.aead(c.in.key()), out: c.out.Suite.aead(c.out.key())}
	c.entry = e
	k.push(e)
	k.n++
	return e
}

// Drop forgets the ciphers of c, if it holds them. Called before c is used with
// another Cache, and before it ends.
func (k *Cache) Drop(c *Conn) {
	if e := c.entry; e != nil {
		k.unlink(e)
		k.n--
		c.entry, e.conn = nil, nil
	}
}

func (k *Cache) push(e *entry) {
	e.prev, e.next = nil, k.first
	if k.first != nil {
		k.first.prev = e
	} else {
		k.last = e
	}
	k.first = e
}

func (k *Cache) unlink(e *entry) {
	if e.prev != nil {
		e.prev.next = e.next
	} else {
		k.first = e.next
	}
	if e.next != nil {
		e.next.prev = e.prev
	} else {
		k.last = e.prev
	}
}
