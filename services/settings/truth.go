package settings

import (
	"strconv"
	"strings"
)

// truth binds a field that is true or false.
func truth(field *bool) value { return &truthValue{field} }

type truthValue struct{ field *bool }

func (v *truthValue) set(e *entry, path string, r *report) {
	if got, err := strconv.ParseBool(e.text); e.kind == truthKind && err == nil {
		*v.field = got
		return
	}
	f := wrong("is %s where true or false is wanted", kindWords[e.kind])
	switch strings.ToLower(e.text) {
	case "true", "yes", "on", "1":
		f.better("write true, without quotes")
	case "false", "no", "off", "0":
		f.better("write false, without quotes")
	}
	r.add(e.line, path, f)
}

func (v *truthValue) literal() string { return strconv.FormatBool(*v.field) }
func (v *truthValue) values() string  { return "`true` or `false`" }
