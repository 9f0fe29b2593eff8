package power

import (
	"encoding/binary"
	"testing"
)

func TestIsPowerButton(t *testing.T) {
	t.Parallel()
	message := func(class string) []byte {
		m := make([]byte, 24+20+24)
		binary.NativeEndian.PutUint32(m, uint32(len(m)))
		copy(m[24:44], class)
		return m
	}
	for _, c := range []struct {
		name    string
		message []byte
		want    bool
	}{
		{"the power button", message("button/power"), true},
		{"a lid", message("button/lid"), false},
		{"a class without an end", message("button/power-and-more-of-it"), false},
		{"half a message", message("button/power")[:30], false},
		{"nothing", nil, false},
	} {
		if got := isPowerButton(c.message); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
