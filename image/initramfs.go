package image

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"

	"postroom/board"

	"github.com/klauspost/compress/zstd"
	"github.com/u-root/mkuimage/cpio"
	"github.com/u-root/mkuimage/uimage"
	"github.com/u-root/uio/llog"
)

// programs are the names that the one program is found under.
var programs = []string{"confine", "store", "pop3", "smtp", "fetcher", "validator", "console"}

// A tree collects the root file system, parents before what is in them. Everything belongs to root, at no time.
type tree struct {
	archive *cpio.Archive
	err     error
	parts   []Size // Raw and, not yet scaled, Packed
}

func (t *tree) add(r cpio.Record) {
	if parent := path.Dir(r.Name); parent != "." && t.err == nil {
		if _, ok := t.archive.Get(parent); !ok {
			t.add(cpio.Directory(parent, 0o755))
		}
	}
	if t.err == nil {
		t.err = t.archive.WriteRecord(r)
	}
}

// file adds a file and counts it to a part.
func (t *tree) file(part, name string, content []byte, mode uint64) {
	t.add(cpio.StaticFile(strings.TrimPrefix(name, "/"), string(content), mode))
	t.count(part, content)
}

// copy adds a file of this machine.
func (t *tree) copy(part, name, from string, mode uint64) {
	content, err := os.ReadFile(from)
	if err != nil {
		t.err = joinFirst(t.err, err)
		return
	}
	t.file(part, name, content, mode)
}

func (t *tree) count(part string, content []byte) {
	e, _ := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1)) // no option that could be wrong
	packed := int64(len(e.EncodeAll(content, nil)))
	for i := range t.parts {
		if t.parts[i].Part == part {
			t.parts[i].Raw += int64(len(content))
			t.parts[i].Packed += packed
			return
		}
	}
	t.parts = append(t.parts, Size{part, int64(len(content)), packed})
}

// makeInitramfs gives the packed initramfs's file.
func (b *build) makeInitramfs(ctx context.Context, s *system) (string, error) {
	t := &tree{archive: cpio.InMemArchive()}
	for _, folder := range []string{"bin", "boot", "data", "dev", "etc", "lib", "proc", "run", "sbin", "sys"} {
		t.add(cpio.Directory(folder, 0o755))
	}
	t.add(cpio.Directory("tmp", 0o1777))
	// The kernel opens it as init's standard input, output and error before init can mount a devtmpfs.
	t.add(cpio.CharDev("dev/console", 0o600, 5, 1))
	t.add(cpio.CharDev("dev/null", 0o666, 1, 3))

	t.copy("postroom, all programs", "bin/postroom", b.program(), 0o755)
	t.add(cpio.Symlink("init", "bin/postroom"))
	for _, name := range programs {
		t.add(cpio.Symlink("bin/"+name, "postroom"))
	}
	t.copy("e2fsck", "sbin/e2fsck", s.e2fsck, 0o755)
	t.file("root certificates", "etc/ssl/certs/ca-certificates.crt", s.roots, 0o644)
	t.file("other files", "etc/passwd", []byte("root:x:0:0:root:/:/nologin\n"), 0o644)
	t.file("other files", "etc/hosts", []byte("127.0.0.1 localhost\n::1 localhost\n"), 0o644)
	t.file("other files", "etc/resolv.conf", nil, 0o644)
	t.file("other files", board.NameFile, []byte(b.Board.Name+"\n"), 0o644)
	t.file("other files", board.VersionFile, []byte(b.Version+"\n"), 0o644)
	t.file("other files", board.PackagesFile, []byte(b.manifest(runtime.Version())), 0o644)
	t.file("other files", "etc/os-release", []byte(b.osRelease()), 0o644)

	found, err := b.index(ctx, s)
	if err != nil {
		return "", err
	}
	folder := path.Join("lib/modules", s.kernel.release)
	for _, name := range indexes {
		t.file(fmt.Sprintf("kernel modules (%d)", len(s.modules)), path.Join(folder, name), found[name], 0o644)
	}
	for _, m := range s.modules {
		t.copy(fmt.Sprintf("kernel modules (%d)", len(s.modules)), path.Join(folder, filepath.ToSlash(m.path)), m.file, 0o644)
	}
	if t.err != nil {
		return "", fmt.Errorf("initramfs: %w", t.err)
	}
	return b.pack(ctx, t)
}

// pack writes the archive, packs it and works out the shares.
func (b *build) pack(ctx context.Context, t *tree) (string, error) {
	file := filepath.Join(b.temp, "initramfs.cpio")
	var said bytes.Buffer
	err := uimage.Create(llog.New(slog.LevelInfo, llog.WritePrintf(&said)),
		uimage.WithTempDir(b.temp),
		uimage.WithBaseArchive(t.archive),
		uimage.WithExistingInit(true),
		uimage.WithSkipLDD(),
		uimage.WithCPIOOutput(file),
	)
	if err != nil {
		return "", fmt.Errorf("initramfs: %w: %s", err, said.String())
	}
	if err := command(ctx, nil, "zstd", "-q", "-f", "-19", "-T2", file); err != nil {
		return "", err
	}
	packed := file + ".zst"
	info, err := os.Stat(packed)
	if err != nil {
		return "", err
	}
	var sum int64
	for _, part := range t.parts {
		sum += part.Packed
	}
	for _, part := range t.parts {
		part.Packed = part.Packed * info.Size() / sum
		b.result.Sizes = append(b.result.Sizes, part)
	}
	return packed, nil
}

// osRelease says what the image is (os-release(5)); systemd-boot shows and orders images by it.
func (b *build) osRelease() string {
	return fmt.Sprintf("NAME=\"Postroom\"\nID=postroom\nPRETTY_NAME=\"Postroom %s (%s)\"\nVERSION_ID=%s\nVARIANT_ID=%s\n",
		b.Version, b.Board.Name, b.Version, b.Board.Name)
}
