package settings

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

type kind int

const (
	absent kind = iota // the zero entry
	textKind
	numberKind
	listKind
	tableKind
	blocksKind // [[name]], or a list of inline tables
	truthKind
	otherKind // no setting has it: fractions, dates
)

var kindWords = map[kind]string{
	textKind: "text", numberKind: "a number", listKind: "a list", tableKind: "a section",
	blocksKind: "a list of blocks", truthKind: "true or false", otherKind: "a fraction or a date",
}

// An entry is what a file says for one name, with the line where it says so.
type entry struct {
	kind   kind
	line   int
	text   string            // of text: the text; of a number: as it is written
	items  []*entry          // of a list, or of blocks
	names  []string          // of a table, as they come
	table  map[string]*entry // of a table
	header bool              // a table that had its own [header]
}

func newTable(line int) *entry {
	return &entry{kind: tableKind, line: line, table: map[string]*entry{}}
}

// at gives what a table says for a name, else an entry of no line.
func (e *entry) at(name string) *entry {
	if e != nil && e.table[name] != nil {
		return e.table[name]
	}
	return &entry{}
}

func (e *entry) add(name string, child *entry) {
	e.names = append(e.names, name)
	e.table[name] = child
}

// A document reads TOML into entries. Behind an error of syntax it goes on at the next
// line that looks like a section or a setting, so that one slip doesn't hide the others.
type document struct {
	*report
	*lines
	parser  unstable.Parser
	root    *entry
	current *entry   // the table that a header opened; nil behind a header that couldn't be read
	within  []string // its path
	broken  bool     // there was an error of syntax: what is missing may have been meant to be there
}

func readDocument(text []byte, r *report) *document {
	d := &document{report: r, lines: newLines(text), root: newTable(1)}
	d.current = d.root
	for start := 0; start >= 0; {
		d.parser.Reset(text[start:])
		read := start // the end of what was understood
		for d.parser.NextExpression() {
			read = start + d.expression(d.parser.Expression(), start)
		}
		start = d.resume(text, read, start)
	}
	return d
}

// expression takes one [header], [[header]] or name = value, and gives the offset of its end from start.
func (d *document) expression(n *unstable.Node, start int) (end int) {
	var path []string
	line := 0
	for keys := n.Key(); keys.Next(); {
		if line == 0 {
			line = d.line(start + int(keys.Node().Raw.Offset))
		}
		path = append(path, string(keys.Node().Data))
	}
	switch n.Kind {
	case unstable.Table:
		d.current, d.within = d.openTable(path, line), path
		return d.offset(line+1) - start // nothing but a comment is behind it
	case unstable.ArrayTable:
		d.current, d.within = d.openBlock(path, line), path
		return d.offset(line+1) - start
	}
	if d.current != nil {
		d.keyValue(d.current, d.within, path, line, n.Value(), start)
	}
	return int(n.Raw.Offset + n.Raw.Length)
}

func (d *document) openTable(path []string, line int) *entry {
	parent := d.descend(d.root, path, line)
	if parent == nil {
		return nil
	}
	name := path[len(path)-1]
	child := parent.table[name]
	switch {
	case child == nil:
		child = newTable(line)
		parent.add(name, child)
	case child.kind == blocksKind:
		d.add(line, showTable(path), wrong("each of these is a block of its own").better("write [[%s]]", showPath(path)))
		return nil
	case child.kind != tableKind || child.header:
		d.add(line, showTable(path), wrong("is set twice: first on line %d", child.line))
		if child.kind != tableKind {
			return nil
		}
	}
	child.header = true
	return child
}

func (d *document) openBlock(path []string, line int) *entry {
	parent := d.descend(d.root, path, line)
	if parent == nil {
		return nil
	}
	name := path[len(path)-1]
	child := parent.table[name]
	switch {
	case child == nil:
		child = &entry{kind: blocksKind, line: line}
		parent.add(name, child)
	case child.kind != blocksKind:
		d.add(line, showTable(path), wrong("is set already, on line %d, and not as a block", child.line))
		return nil
	}
	block := newTable(line)
	child.items = append(child.items, block)
	return block
}

// keyValue puts a value into the table at within.
func (d *document) keyValue(table *entry, within, path []string, line int, value *unstable.Node, start int) {
	whole := slices.Concat(within, path)
	parent := d.descend(table, path, line)
	if parent == nil {
		return
	}
	name := path[len(path)-1]
	if first := parent.table[name]; first != nil {
		d.add(line, showPath(whole), wrong("is set twice: first on line %d", first.line))
		return
	}
	parent.add(name, d.value(value, whole, line, start))
}

// descend goes from a table to the one that holds the last name of path, making what isn't there.
func (d *document) descend(table *entry, path []string, line int) *entry {
	for i, name := range path[:len(path)-1] {
		child := table.table[name]
		switch {
		case child == nil:
			child = newTable(line)
			table.add(name, child)
		case child.kind == blocksKind && len(child.items) > 0:
			child = child.items[len(child.items)-1]
		}
		if child.kind != tableKind {
			d.add(line, showPath(path[:i+1]), wrong("is %s, set on line %d, and holds no %s",
				kindWords[child.kind], child.line, quote(showPath(path[i+1:]))))
			return nil
		}
		table = child
	}
	return table
}

func (d *document) value(n *unstable.Node, path []string, line, start int) *entry {
	if n.Raw.Length > 0 {
		line = d.line(start + int(n.Raw.Offset))
	}
	switch n.Kind {
	case unstable.String:
		return &entry{kind: textKind, line: line, text: string(n.Data)}
	case unstable.Integer:
		return &entry{kind: numberKind, line: line, text: string(n.Data)}
	case unstable.Bool:
		return &entry{kind: truthKind, line: line, text: string(n.Data)}
	case unstable.InlineTable:
		table := newTable(line)
		for pairs := n.Children(); pairs.Next(); {
			pair, names := pairs.Node(), []string(nil)
			for keys := pair.Key(); keys.Next(); {
				names = append(names, string(keys.Node().Data))
			}
			line := d.line(start + int(pair.Raw.Offset))
			d.keyValue(table, path, names, line, pair.Value(), start)
		}
		return table
	case unstable.Array:
		list := &entry{kind: listKind, line: line}
		for items := n.Children(); items.Next(); {
			list.items = append(list.items, d.value(items.Node(), path, line, start))
		}
		return list
	}
	return &entry{kind: otherKind, line: line, text: string(n.Data)}
}

func showPath(path []string) string {
	shown := make([]string, len(path))
	for i, name := range path {
		if shown[i] = name; !bare().MatchString(name) {
			shown[i] = quote(name)
		}
	}
	return strings.Join(shown, ".")
}

func showTable(path []string) string { return fmt.Sprintf("[%s]", showPath(path)) }

// bare is a name that messages show as it is; longer ones and others are quoted, and cut short.
var bare = lazy(func() string { return `^[A-Za-z0-9_-]{1,40}$` })
