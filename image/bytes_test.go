//go:build guest

package image

import (
	"crypto/sha256"
	"io"
	"os"
	"path/filepath"
	"testing"

	"postroom/board"
)

// TestSameBytes builds each image twice from the same inputs.
func TestSameBytes(t *testing.T) {
	work, err := filepath.Abs("../build/image")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range board.Names() {
		b, err := board.Named(name)
		if err != nil {
			t.Fatal(err)
		}
		var sums [2][sha256.Size]byte
		for i := range sums {
			out := filepath.Join(t.TempDir(), "disk.img")
			r, err := Build(t.Context(), Options{Board: b, Version: "0.0.0-test", Work: work, Out: out, Log: io.Discard})
			if err != nil {
				t.Fatal(err)
			}
			if r.UKI > MaxUKI || len(r.Packages) == 0 {
				t.Errorf("board %s: unified kernel image of %d octets, of packages %v", name, r.UKI, r.Packages)
			}
			content, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			sums[i] = sha256.Sum256(content)
		}
		if sums[0] != sums[1] {
			t.Errorf("board %s: two builds gave %x and %x", name, sums[0], sums[1])
		}
	}
}
