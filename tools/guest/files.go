package guest

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"postroom/board"
)

// putFiles writes files to the EFI system partition of a disk, by mtools: no root, no mount.
func putFiles(ctx context.Context, disk string, files map[string][]byte) error {
	if len(files) == 0 {
		return nil
	}
	folder, err := os.MkdirTemp("", "postroom-files-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	partition := fmt.Sprintf("%s@@%d", disk, board.BootOffset)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		from := filepath.Join(folder, path.Base(name))
		if err := os.WriteFile(from, files[name], 0o600); err != nil {
			return err
		}
		if parent := path.Dir(name); parent != "." {
			// It may be there. When it can't be made, the copy says why.
			mtool(ctx, "mmd", "-D", "s", "-i", partition, "::/"+parent)
		}
		if err := mtool(ctx, "mcopy", "-D", "o", "-i", partition, from, "::/"+name); err != nil {
			return fmt.Errorf("put %s on the disk: %w", name, err)
		}
	}
	return nil
}

func mtool(ctx context.Context, name string, args ...string) error {
	c := exec.CommandContext(ctx, name, args...)
	c.Env = append(os.Environ(), "MTOOLS_SKIP_CHECK=1", "MTOOLSRC=/dev/null")
	text, err := c.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, strings.TrimSpace(string(text)))
	}
	return nil
}
