package settings

import (
	"errors"
	"regexp"
	"strings"
	"sync"

	"github.com/pelletier/go-toml/v2/unstable"
)

// resume reports the parser's error and gives the offset to go on at, or -1 at the end.
func (d *document) resume(text []byte, read, start int) int {
	err := d.parser.Error()
	if err == nil {
		return -1
	}
	d.broken = true
	at, message := len(text), err.Error()
	if e, ok := errors.AsType[*unstable.ParserError](err); ok {
		at = start + int(d.parser.Range(e.Highlight).Offset)
	}
	begin := read + len(leading().Find(text[read:]))
	f := wrong("this is not TOML: %s", message)
	if d.line(begin) < d.line(at) {
		f.better("it belongs to what begins on line %d", d.line(begin))
	} else if hint := hintFor(message); hint != "" {
		f.better("%s", hint)
	}
	d.add(d.line(at), "", f)

	next := anything()
	if begin < len(text) && text[begin] == '[' {
		next, d.current = header(), nil
	}
	for n := d.line(begin) + 1; n <= d.count(); n++ {
		if next.Match(text[d.offset(n):]) {
			return d.offset(n)
		}
	}
	return -1
}

// hintFor says what is mostly meant where go-toml's parser has this to say.
func hintFor(message string) string {
	for _, hint := range []struct{ begins, text string }{
		{"unexpected character", `write text in quotes: "…"`},
		{"expected keyword", `write text in quotes: "…"`},
		{"expected digit", `write text in quotes: "…"`},
		{"strings must be quoted", `write "…"`},
		{"basic strings cannot have new lines", `write a text of several lines between """ and """`},
		{"literal strings cannot have new lines", `write a text of several lines between """ and """`},
		{"invalid escape character", `write \\ for a backslash in a text`},
	} {
		if strings.HasPrefix(message, hint.begins) {
			return hint.text
		}
	}
	return ""
}

// Compiled when they are first needed: every program of the one binary would pay for them at its start.
var (
	// leading is what may stand before an expression: blank lines, comments, the rest of a line.
	leading  = lazy(func() string { return `^(?:[ \t\r\n]|#[^\n]*)*` })
	header   = lazy(func() string { return `^[ \t]*\[\[?[A-Za-z0-9_ -]+\]` })
	anything = lazy(func() string {
		return `^[ \t]*(?:\[\[?[A-Za-z0-9_ -]+\]|(?:` + strings.Join(allNames(), "|") + `)[ \t]*=)`
	})
)

func lazy(expression func() string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression()) })
}
