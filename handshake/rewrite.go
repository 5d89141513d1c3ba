package handshake

const crlf = "\r\n"

// AppendUpgrade appends the upgrade request for the endpoint. r is a done Request
// with Upgrade set and b the buffer it was parsed from; dst must not overlap b.
//
// The target and the end-to-end fields go on byte for byte and in order, Host in
// its place. Hop-by-hop fields and those named in Connection are left out, and
// Connection and Upgrade written anew. From a peer that is not trusted every
// identity field (IsIdentityField) is left out. Then X-Forwarded-For, -Proto,
// -Host, X-Real-IP and, if id says so, Forwarded are written. Behind a trusted
// peer X-Forwarded-For and Forwarded become one field each with the peer behind
// what was sent, and the others are kept when present. Rules apply last.
//
// It does not allocate when dst has room for the head and some 300 bytes more,
// and for what rules set.
func (r *Request) AppendUpgrade(dst, b []byte, id *Identity, rules *Rules) []byte {
	dst = append(dst, "GET "...)
	dst = r.AppendTarget(dst, b)
	dst = append(dst, " HTTP/1.1\r\n"...)

	var have present
	run := run{fields: r.Fields, end: uint32(r.HeadLen) - 2, first: -1}
	for i := range r.Fields {
		f := &r.Fields[i]
		traits := kindTraits[f.Kind]
		switch {
		case f.hop, traits&traitIdentity != 0 && dropIdentity(f.Kind, id):
			dst = run.flush(dst, b, i)
		case f.Kind == KindHost && (rules != nil && rules.Host != "" || f.Value != r.Host):
			dst = run.flush(dst, b, i)
			dst = r.appendHost(dst, b, rules)
		case rules != nil && traits&traitReserved == 0 && rules.hidesRequest(f.Name.Of(b)):
			dst = run.flush(dst, b, i)
		default:
			have.note(f.Kind)
			run.keep(i)
		}
	}
	dst = run.flush(dst, b, len(r.Fields))
	dst = append(dst, "Connection: Upgrade\r\nUpgrade: websocket\r\n"...)
	dst = r.appendIdentity(dst, b, id, rules, have)
	if rules != nil {
		dst = appendSet(dst, rules.RequestSet)
	}
	return append(dst, crlf...)
}

// appendHost appends the Host field that replaces the one sent.
func (r *Request) appendHost(dst, b []byte, rules *Rules) []byte {
	dst = append(dst, "Host: "...)
	if rules != nil && rules.Host != "" {
		dst = append(dst, rules.Host...)
	} else {
		dst = append(dst, r.Host.Of(b)...)
	}
	return append(dst, crlf...)
}

// dropIdentity tells whether an identity field of the client's is left out: sent
// by somebody who is not trusted, written anew, or spelled so that it could pass
// for another field.
func dropIdentity(k Kind, id *Identity) bool {
	switch {
	case !id.Trusted, k == KindIdentityAlias, k == KindXForwardedFor:
		return true
	case k == KindClientCert:
		return id.CertFingerprint != ""
	}
	return k == KindForwarded && id.Forwarded
}

// run gathers neighbouring field lines, so that they are copied at once.
type run struct {
	fields []Field
	end    uint32 // of the last field line
	first  int    // of the lines gathered, -1 for none
}

func (n *run) keep(i int) {
	if n.first < 0 {
		n.first = i
	}
}

// flush appends the lines gathered; the next field is i.
func (n *run) flush(dst, b []byte, i int) []byte {
	if n.first < 0 {
		return dst
	}
	end := n.end
	if i < len(n.fields) {
		end = n.fields[i].Name.Off
	}
	dst = append(dst, b[n.fields[n.first].Name.Off:end]...)
	n.first = -1
	return dst
}

// hidesRequest tells whether a rule sets or removes the request field name, so
// that no other field of that name goes out. A nil u has no rules.
func (u *Rules) hidesRequest(name []byte) bool {
	return u != nil && hides(u.RequestSet, u.RequestRemove, name)
}

// hidesResponse is hidesRequest for response fields.
func (u *Rules) hidesResponse(name []byte) bool {
	return u != nil && hides(u.ResponseSet, u.ResponseRemove, name)
}

func hides(set []Header, remove []string, name []byte) bool {
	for i := range set {
		if sameName(name, set[i].Name) {
			return true
		}
	}
	for i := range remove {
		if sameName(name, remove[i]) {
			return true
		}
	}
	return false
}

// sameName compares field names without regard to case, and takes underscores
// for dashes: a field that a rule sets or removes must not reach an endpoint
// under a name that it cannot tell from the rule's.
func sameName(name []byte, rule string) bool {
	if len(name) != len(rule) {
		return false
	}
	for i, c := range name {
		if c, d := lower[c], lower[rule[i]]; c != d && (c != '_' || d != '-') && (c != '-' || d != '_') {
			return false
		}
	}
	return true
}

// appendSet appends the fields that rules set.
func appendSet(dst []byte, set []Header) []byte {
	for i := range set {
		if Reserved(set[i].Name) {
			continue
		}
		dst = append(dst, set[i].Name...)
		dst = append(dst, ": "...)
		dst = append(dst, set[i].Value...)
		dst = append(dst, crlf...)
	}
	return dst
}
