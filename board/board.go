// Package board says what a machine is: its kernel, the modules for its hardware, and its consoles. One file a
// board. The image builder takes from it what goes into an image, init what it loads and when.
package board

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A Board is a kind of machine. All are x86-64 with UEFI.
type Board struct {
	Name   string
	Kernel string // Debian's meta package: it depends on the package of the newest kernel

	Boot  Modules // what mail needs: loaded first, side by side
	Later Modules // loaded once mail is served

	Watchdog string // module for a machine that has no watchdog of its own

	// Console is what the kernel and init write to. The last one is /dev/console.
	Console []string
	// CommandLine is the rest of the kernel's command line.
	CommandLine []string
}

// Modules are names of kernel modules; what they depend on comes with them.
type Modules struct {
	Always []string // no device asks for them
	Driver []string // loaded when a device of theirs is there
}

// All gives every module that an image for the board holds.
func (b *Board) All() []string {
	return slices.Concat(b.Boot.Always, b.Boot.Driver, b.Later.Always, b.Later.Driver, []string{b.Watchdog})
}

// KernelCommandLine is the whole of it.
func (b *Board) KernelCommandLine() string {
	var words []string
	for _, console := range b.Console {
		words = append(words, "console="+console)
	}
	return strings.Join(append(words, b.CommandLine...), " ")
}

var boards = map[string]*Board{
	qemu.Name: &qemu,
	pc.Name:   &pc,
}

// Names gives all boards, in alphabetical order.
func Names() []string { return slices.Sorted(maps.Keys(boards)) }

// Named finds a board.
func Named(name string) (*Board, error) {
	b, ok := boards[name]
	if !ok {
		return nil, fmt.Errorf("board %q: there is none of that name, but: %s", name, strings.Join(Names(), ", "))
	}
	return b, nil
}
