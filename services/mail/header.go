package mail

import "bytes"

// The end of a header: its first empty line, where LF ends a line as CRLF does. (RFC 5322
// §2.2 knows only CRLF; the rule here gives the earliest end that any program may see, so
// that no field stands behind it for us that stands before it for a provider's TOP.)

// HeaderEnd gives the offset of the empty line that ends the message's header, and the
// offset behind that line; both are len(message) where there is none.
func HeaderEnd(message []byte) (end, body int) {
	for at := 0; ; {
		rest := message[at:]
		switch {
		case bytes.HasPrefix(rest, []byte("\n")):
			return at, at + 1
		case bytes.HasPrefix(rest, []byte("\r\n")):
			return at, at + 2
		}
		i := bytes.IndexByte(rest, '\n')
		if i < 0 {
			return len(message), len(message)
		}
		at += i + 1
	}
}

// SplitHeader gives the message's header, the end of its last line included, and what is
// behind the empty line.
func SplitHeader(message []byte) (header, body []byte) {
	end, begin := HeaderEnd(message)
	return message[:end:end], message[begin:]
}
