package command

import "testing"

func TestPrintable(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"-ERR login refused":   "-ERR login refused",
		"Grüße 你好":             "Grüße 你好",
		"\x1b[2Jaway\r\nnow":   `\x1b[2Jaway\x0d\x0anow`,
		"M\xfcnchen":           `M\xfcnchen`,
		"right \u202e to left": `right \u202e to left`,
		"�":                    "�",
	} {
		if got := printable(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestSize(t *testing.T) {
	t.Parallel()
	for octets, want := range map[uint64]string{
		0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", 1<<20 - 1: "1.0 MiB", 20 << 20: "20.0 MiB", 3 << 40: "3.0 TiB", 5000 << 40: "5000.0 TiB",
	} {
		if got := size(octets); got != want {
			t.Errorf("%d: got %q, want %q", octets, got, want)
		}
	}
}

func TestOneLine(t *testing.T) {
	t.Parallel()
	if got := oneLine("unknown command\n\nDid you mean this?\n\tstatus\n"); got != "unknown command; Did you mean this?; status" {
		t.Errorf("got %q", got)
	}
}
