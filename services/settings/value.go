package settings

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// A value is bound to one field of a Settings.
type value interface {
	// set takes what the file says; what is wrong goes to the report and leaves the field alone.
	set(e *entry, path string, r *report)
	// literal is the field as TOML. What set took from a literal has that literal.
	literal() string
	// values says what may be written, as Markdown.
	values() string
}

// A form is how values of one kind are written as text.
type form[T any] struct {
	words string // what may be written, as Markdown
	parse func(text string) (T, *fault)
	show  func(T) string // nothing shown: the empty text
}

// text binds a field that is one text.
func text[T any](field *T, f form[T]) value { return &textValue[T]{field, f} }

type textValue[T any] struct {
	field *T
	form  form[T]
}

func (v *textValue[T]) set(e *entry, path string, r *report) {
	if e.kind != textKind {
		r.add(e.line, path, wrong("is %s where text is wanted", kindWords[e.kind]))
		return
	}
	got, f := v.form.parse(e.text)
	if f != nil {
		r.add(e.line, path, f)
		return
	}
	*v.field = got
}

func (v *textValue[T]) literal() string { return literal(v.form.show(*v.field)) }
func (v *textValue[T]) values() string  { return v.form.words }

// maxItems bounds each list.
const maxItems = 256

// list binds a field that is a list of texts, no two of them the same.
func list[T comparable](field *[]T, f form[T]) value { return &listValue[T]{field, f} }

type listValue[T comparable] struct {
	field *[]T
	form  form[T]
}

func (v *listValue[T]) set(e *entry, path string, r *report) {
	if !isList(e, path, r) {
		return
	}
	before, items := len(r.problems), make([]T, 0, len(e.items))
	for _, item := range e.items {
		if item.kind != textKind {
			r.add(item.line, path, wrong("holds %s where text is wanted", kindWords[item.kind]))
			continue
		}
		got, f := v.form.parse(item.text)
		if f == nil && slices.Contains(items, got) {
			f = wrong("%s is in the list twice", quote(v.form.show(got)))
		}
		if f != nil {
			r.add(item.line, path, f)
			continue
		}
		items = append(items, got)
	}
	if len(r.problems) == before {
		*v.field = items
	}
}

func (v *listValue[T]) literal() string {
	shown := make([]string, len(*v.field))
	for i, item := range *v.field {
		shown[i] = literal(v.form.show(item))
	}
	return "[" + strings.Join(shown, ", ") + "]"
}

func (v *listValue[T]) values() string { return "a list: " + v.form.words }

func isList(e *entry, path string, r *report) bool {
	switch {
	case e.kind == textKind && len(e.text) <= maxQuoted:
		r.add(e.line, path, wrong("is text where a list is wanted").better("write [%s]", literal(e.text)))
	case e.kind != listKind:
		r.add(e.line, path, wrong("is %s where a list is wanted", kindWords[e.kind]))
	case len(e.items) > maxItems:
		r.add(e.line, path, wrong("has %d entries; at most %d", len(e.items), maxItems))
	default:
		return true
	}
	return false
}

// number binds a field that is a whole number.
func number(field *int, least, most int) value { return &numberValue{field, least, most} }

type numberValue struct {
	field       *int
	least, most int
}

func (v *numberValue) set(e *entry, path string, r *report) {
	if e.kind == textKind {
		f := wrong("is text where a number is wanted")
		if n, err := strconv.Atoi(e.text); err == nil {
			f.better("write %d, without quotes", n)
		}
		r.add(e.line, path, f)
		return
	}
	if e.kind != numberKind {
		r.add(e.line, path, wrong("is %s where a whole number is wanted", kindWords[e.kind]))
		return
	}
	n := whole(e.text)
	if n < int64(v.least) || n > int64(v.most) {
		r.add(e.line, path, wrong("%s is not in %d to %d", shorten(e.text), v.least, v.most))
		return
	}
	*v.field = int(n)
}

func (v *numberValue) literal() string { return strconv.Itoa(*v.field) }
func (v *numberValue) values() string  { return fmt.Sprintf("a number, %d to %d", v.least, v.most) }

// whole reads a whole number as TOML writes it; one that doesn't fit is the smallest of all, so out of every range.
func whole(text string) int64 {
	n, err := strconv.ParseInt(text, 0, 64)
	if err != nil {
		return math.MinInt64
	}
	return n
}

func shorten(text string) string {
	if len(text) > 20 {
		return text[:20] + "…"
	}
	return text
}

// literal writes a text as TOML: on one line, or where it has several, on as many.
func literal(text string) string {
	quotes, several := `"`, strings.Contains(text, "\n")
	if several {
		quotes = `"""`
	}
	var b strings.Builder
	b.WriteString(quotes)
	if several {
		b.WriteByte('\n') // TOML drops the one behind the opening quotes
	}
	for _, c := range text {
		switch {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteRune(c)
		case c == '\n' && several:
			b.WriteByte('\n')
		case c < ' ' || c == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, c)
		default:
			b.WriteRune(c)
		}
	}
	b.WriteString(quotes)
	return b.String()
}
