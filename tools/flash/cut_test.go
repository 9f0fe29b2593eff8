package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"postroom/board"
)

// Replacing a system by one of the same name is cut short before each of its changes. A whole system is there then,
// and the next try does what this one began.
func TestReplaceCutShort(t *testing.T) {
	t.Parallel()
	const slot = board.SlotFolder + "/postroom_1.0.efi"
	one, two := clientKey(t), clientKey(t)
	base := makeDisk(t, nil)
	flashed(t, base, makeImage(t, "1.0", map[string]string{board.ClientKeysFile: one, board.MachineKeyFile: "secret"}), "")
	before := readFile(t, base.path)[:imageSize]
	img := makeImage(t, "1.0", map[string]string{slot: "new system", loaderFile: "new loader", menuFile: "new menu", board.ClientKeysFile: two})
	want := map[string]string{
		slot: "new system", loaderFile: "new loader", menuFile: "new menu", board.ClientKeysFile: one + two, board.MachineKeyFile: "secret",
	}
	cut := errors.New("cut")
	changes := 0
	base.cut = func() error { changes++; return nil }
	flashed(t, base, img, "")
	if changes < 10 {
		t.Fatalf("%d changes were seen, want all", changes)
	}
	for n := range changes {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			d := makeDisk(t, before)
			left := n
			d.cut = func() error {
				if left == 0 {
					return cut
				}
				left--
				return nil
			}
			yes, _ := answers("yes\n")
			// What can't be made because of the cut may have been a folder that was there.
			if err := flash(t.Context(), d, img, "", yes); err != nil && !errors.Is(err, cut) {
				t.Fatalf("flash: %v, want the cut", err)
			}
			whole := []string{system("1.0"), "new system"}
			slots := slotsOf(list(t, d.path))
			for _, name := range slots {
				if content := getFile(t, d.path, name); !slices.Contains(whole, content) {
					t.Errorf("system %s is not whole: %.50q", name, content)
				}
			}
			if len(slots) == 0 {
				t.Error("there is no system")
			}
			d.cut = nil
			flashed(t, d, img, "")
			got := list(t, d.path)
			if len(got) != len(want) {
				t.Errorf("files %q, want no others than the %d of the image and the machine key", got, len(want))
			}
			for name, content := range want {
				if text := getFile(t, d.path, name); strings.TrimSpace(text) != strings.TrimSpace(content) {
					t.Errorf("%s: %.100q, want %.100q", name, text, content)
				}
			}
		})
	}
}
