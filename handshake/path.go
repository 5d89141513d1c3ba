package handshake

import "bytes"

// NormalizePath returns the path of an origin-form target as routes see it:
// without the query, escapes of unreserved characters decoded and all others in
// upper case (RFC 3986 section 6.2.2), "//" merged, dot segments removed. The
// target itself goes on as it was sent.
//
// A path above the root, a malformed escape and bytes that cannot stand in a
// path are 400. So are %2f, %5c, %00 and a plain backslash, which one server
// takes for a delimiter or an end and another does not; with allowEncoded they
// stay as they are. "*" is returned unchanged.
//
// The result shares target's memory when nothing changes; else it is built in
// dst[:0], which must not overlap target, and allocates only when dst is too small.
func NormalizePath(dst, target []byte, allowEncoded bool) ([]byte, *Error) {
	path := target
	if i := bytes.IndexByte(path, '?'); i >= 0 {
		path = path[:i:i]
	}
	if len(path) == 0 || path[0] != '/' {
		if string(target) == "*" {
			return target, nil
		}
		return nil, faultPath.inRequest()
	}
	for i, c := range path {
		switch {
		case class[c]&classTarget == 0, c == '%', c == '\\':
		case (c == '.' || c == '/') && i > 0 && path[i-1] == '/':
		default:
			continue
		}
		out, f := normalize(dst[:0], path, allowEncoded)
		if f != faultNone {
			return nil, f.inRequest()
		}
		if string(out) == string(path) {
			return path, nil // nothing but bytes that might have mattered
		}
		return out, nil
	}
	return path, nil
}

// normalize builds the normal form of path, which begins with a slash, in out,
// which is empty.
func normalize(out, path []byte, allowEncoded bool) ([]byte, fault) {
	segment := 0 // where the segment being built begins in out, behind its slash
	for i := 0; i <= len(path); i++ {
		if i == len(path) || path[i] == '/' {
			ended, f := endSegment(out, segment)
			if f != faultNone {
				return nil, f
			}
			out = ended
			if i < len(path) && (len(out) == 0 || out[len(out)-1] != '/') {
				out = append(out, '/')
			}
			segment = len(out)
			continue
		}
		switch c := path[i]; {
		case c == '%':
			if i+2 >= len(path) || class[path[i+1]]&class[path[i+2]]&classHex == 0 {
				return nil, faultPathEscape
			}
			c = hexValue(path[i+1])<<4 | hexValue(path[i+2])
			i += 2
			switch {
			case class[c]&classPlain != 0:
				out = append(out, c)
				continue
			case (c == '/' || c == '\\' || c == 0) && !allowEncoded:
				return nil, faultPathEncoded
			}
			const hex = "0123456789ABCDEF"
			out = append(out, '%', hex[c>>4], hex[c&15])
		case c == '\\' && !allowEncoded:
			return nil, faultPathEncoded
		case class[c]&classTarget == 0:
			return nil, faultPath
		default:
			out = append(out, c)
		}
	}
	return out, faultNone
}

// endSegment removes the segment of out that begins at segment when it is a dot
// segment, and the one before it when it is "..": out then ends with the slash
// in front of what was removed (RFC 3986 section 5.2.4).
func endSegment(out []byte, segment int) ([]byte, fault) {
	switch string(out[segment:]) {
	case ".":
		return out[:segment], faultNone
	case "..":
		if segment <= 1 {
			return nil, faultPathAboveRoot
		}
		parent := bytes.LastIndexByte(out[:segment-1], '/')
		return out[:parent+1], faultNone
	}
	return out, faultNone
}
