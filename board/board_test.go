package board

import (
	"slices"
	"strings"
	"testing"
)

func TestNamed(t *testing.T) {
	t.Parallel()
	for _, name := range Names() {
		b, err := Named(name)
		if err != nil || b.Name != name {
			t.Errorf("Named(%q) = %v, %v", name, b, err)
		}
	}
	if _, err := Named("toaster"); err == nil || !strings.Contains(err.Error(), "pc, qemu") {
		t.Errorf("Named(%q): error %v, want one that names the boards", "toaster", err)
	}
}

func TestBoardsAreWhole(t *testing.T) {
	t.Parallel()
	for _, name := range Names() {
		b, _ := Named(name)
		all := b.All()
		slices.Sort(all)
		if twice := len(all) - len(slices.Compact(slices.Clone(all))); twice > 0 {
			t.Errorf("board %s names %d modules twice: %q", name, twice, all)
		}
		if slices.Contains(all, "") {
			t.Errorf("board %s has a module without a name", name)
		}
		if !strings.Contains(b.KernelCommandLine(), "console=ttyS0,115200") {
			t.Errorf("board %s: command line %q has no serial console", name, b.KernelCommandLine())
		}
	}
}
