package image

import (
	"bytes"
	"context"
	"debug/elf"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A kernel is an unpacked kernel package.
type kernel struct {
	tree    string
	release string // as uname -r says it
	image   string // file
}

func findKernel(tree string) (kernel, error) {
	images, err := filepath.Glob(filepath.Join(tree, "boot/vmlinuz-*"))
	if err != nil || len(images) != 1 {
		return kernel{}, fmt.Errorf("kernel in %s: %d images, not one", tree, len(images))
	}
	return kernel{tree, strings.TrimPrefix(filepath.Base(images[0]), "vmlinuz-"), images[0]}, nil
}

func (k kernel) folder() string { return filepath.Join(k.tree, "lib/modules", k.release) }

// A module is a file below the kernel's folder of modules. It is signed: it must stay as it is.
type module struct {
	path string // from there
	file string
}

// canonical is a module's name as the kernel has it: a file's name may have either.
func canonical(name string) string { return strings.ReplaceAll(name, "-", "_") }

// closure gives the named modules and what they depend on, in order of their paths. What is part of the kernel
// needs no file.
func (k kernel) closure(names []string) ([]module, error) {
	files := make(map[string]module)
	err := filepath.WalkDir(k.folder(), func(path string, d fs.DirEntry, err error) error {
		if name, ok := strings.CutSuffix(filepath.Base(path), ".ko"); ok && err == nil {
			from, err := filepath.Rel(k.folder(), path)
			files[canonical(name)] = module{from, path}
			return err
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list modules: %w", err)
	}
	builtin, err := k.builtin()
	if err != nil {
		return nil, err
	}
	taken := make(map[string]bool)
	var all []module
	var take func(name string) error
	take = func(name string) error {
		name = canonical(name)
		if taken[name] || builtin[name] {
			return nil
		}
		taken[name] = true
		m, ok := files[name]
		if !ok {
			return fmt.Errorf("module %q is not in kernel %s", name, k.release)
		}
		needs, err := dependencies(m.file)
		if err != nil {
			return err
		}
		for _, need := range needs {
			if err := take(need); err != nil {
				return fmt.Errorf("module %q: %w", name, err)
			}
		}
		all = append(all, m)
		return nil
	}
	for _, name := range names {
		if err := take(name); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(all, func(x, y module) int { return strings.Compare(x.path, y.path) })
	return all, nil
}

// builtin gives the modules that are part of the kernel.
func (k kernel) builtin() (map[string]bool, error) {
	list, err := os.ReadFile(filepath.Join(k.folder(), "modules.builtin"))
	if err != nil {
		return nil, fmt.Errorf("modules that are part of the kernel: %w", err)
	}
	names := make(map[string]bool)
	for _, path := range strings.Fields(string(list)) {
		names[canonical(strings.TrimSuffix(filepath.Base(path), ".ko"))] = true
	}
	return names, nil
}

// dependencies reads what a module says of itself: section .modinfo, NUL-terminated "key=value".
func dependencies(file string) ([]string, error) {
	f, err := elf.Open(file)
	if err != nil {
		return nil, fmt.Errorf("read module: %w", err)
	}
	defer f.Close()
	section := f.Section(".modinfo")
	if section == nil {
		return nil, fmt.Errorf("module %s has no .modinfo", file)
	}
	info, err := section.Data()
	if err != nil {
		return nil, fmt.Errorf("read module %s: %w", file, err)
	}
	for _, one := range bytes.Split(info, []byte{0}) {
		if list, ok := strings.CutPrefix(string(one), "depends="); ok && list != "" {
			return strings.Split(list, ","), nil
		}
	}
	return nil, nil
}

// indexes are the files that init finds modules by. depmod makes all but the last, which is the kernel's.
var indexes = []string{"modules.dep", "modules.alias", "modules.softdep", "modules.builtin"}

// index has depmod make them for the modules of the image; it gives them by name.
func (b *build) index(ctx context.Context, s *system) (map[string][]byte, error) {
	root := filepath.Join(b.temp, "modules")
	folder := filepath.Join(root, "lib/modules", s.kernel.release)
	for _, m := range s.modules {
		to := filepath.Join(folder, m.path)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return nil, err
		}
		if err := os.Link(m.file, to); err != nil { // depmod follows no symbolic links
			return nil, err
		}
	}
	for _, name := range []string{"modules.order", "modules.builtin", "modules.builtin.modinfo"} {
		content, err := os.ReadFile(filepath.Join(s.kernel.folder(), name))
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o644); err != nil {
			return nil, err
		}
	}
	if err := command(ctx, nil, "depmod", "-b", root, s.kernel.release); err != nil {
		return nil, err
	}
	made := make(map[string][]byte)
	for _, name := range indexes {
		content, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			return nil, err
		}
		made[name] = content
	}
	return made, nil
}
