package image

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A Package is one of Debian's.
type Package struct {
	Name    string
	Version string

	file    string // its name in the archive, and here
	sha256  string // hexadecimal
	depends string
}

// image gives the package that a kernel's meta package stands for.
func (p Package) image() string {
	for _, one := range strings.Split(p.depends, ",") {
		if name, _, _ := strings.Cut(strings.TrimSpace(one), " "); strings.HasPrefix(name, "linux-image-") {
			return name
		}
	}
	return p.Name
}

// candidate asks apt which version of a package is to be had.
func (b *build) candidate(ctx context.Context, name string) (Package, error) {
	about, err := output(ctx, nil, "apt-cache", "show", "--no-all-versions", name)
	if err == nil {
		var p Package
		if p, err = parsePackage(about); err == nil {
			return p, nil
		}
	}
	return Package{}, fmt.Errorf("package %s is not to be had (apt-get update may help): %w", name, err)
}

// parsePackage reads the first stanza that apt-cache shows (deb822(5)); folded lines hold nothing that counts.
func parsePackage(about []byte) (Package, error) {
	var p Package
	scanner := bufio.NewScanner(bytes.NewReader(about))
	for scanner.Scan() && scanner.Text() != "" {
		field, value, _ := strings.Cut(scanner.Text(), ": ")
		switch field {
		case "Package":
			p.Name = value
		case "Version":
			p.Version = value
		case "Filename":
			p.file = filepath.Base(value)
		case "SHA256":
			p.sha256 = value
		case "Depends":
			p.depends = value
		}
	}
	if p.Name == "" || p.Version == "" || p.file == "" || len(p.sha256) != 2*sha256.Size {
		return p, errors.New("apt-cache shows no package with version, file and SHA-256")
	}
	return p, scanner.Err()
}

// fetch gives the package's file, from the archive unless it is there.
func (b *build) fetch(ctx context.Context, p Package) (string, error) {
	folder := filepath.Join(b.Work, "debs")
	// apt-get names what it downloads by the whole version, the archive leaves the epoch out.
	downloaded := filepath.Join(folder, p.Name+"_"+strings.ReplaceAll(p.Version, ":", "%3a")+p.file[strings.LastIndex(p.file, "_"):])
	if checkSum(downloaded, p.sha256) == nil {
		return downloaded, nil
	}
	if b.Offline {
		return "", fmt.Errorf("package %s %s is not in %s", p.Name, p.Version, folder)
	}
	fmt.Fprintf(b.Log, "downloading %s %s\n", p.Name, p.Version)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", err
	}
	temp, err := os.MkdirTemp(folder, "download-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(temp)
	c := []string{"-c", `cd "$1" && exec apt-get -q -o APT::Sandbox::User=root download "$2"`, "sh", temp, p.Name + "=" + p.Version}
	if err := command(ctx, nil, "sh", c...); err != nil {
		return "", err
	}
	files, err := filepath.Glob(filepath.Join(temp, "*.deb"))
	if err != nil || len(files) != 1 {
		return "", fmt.Errorf("download of package %s gave %d files", p.Name, len(files))
	}
	if err := checkSum(files[0], p.sha256); err != nil {
		return "", err
	}
	return downloaded, os.Rename(files[0], downloaded)
}

func checkSum(file, want string) error {
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if sum := sha256.Sum256(content); hex.EncodeToString(sum[:]) != want {
		return fmt.Errorf("package file %s has the SHA-256 %x, not %s", file, sum, want)
	}
	return nil
}

// unpack gives the folder with the package's files.
func (b *build) unpack(ctx context.Context, p Package) (string, error) {
	folder := filepath.Join(b.Work, "unpacked", p.Name+"_"+p.Version)
	if _, err := os.Stat(folder); err == nil {
		return folder, nil
	}
	file, err := b.fetch(ctx, p)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(folder), 0o755); err != nil {
		return "", err
	}
	temp, err := os.MkdirTemp(filepath.Dir(folder), "unpack-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(temp)
	if err := command(ctx, nil, "dpkg-deb", "-x", file, temp); err != nil {
		return "", err
	}
	if err := os.Chmod(temp, 0o755); err != nil {
		return "", err
	}
	if err := os.Rename(temp, folder); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	return folder, nil
}

// certificates puts the roots that Debian trusts into one file.
func certificates(folder string) ([]byte, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.crt"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("root certificates in %s: there are none", folder)
	}
	slices.Sort(files)
	var all []byte
	for _, file := range files {
		one, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		all = append(all, bytes.TrimRight(one, "\n")...)
		all = append(all, '\n')
	}
	return all, nil
}

// manifest is the file that says what the image was made of.
func (b *build) manifest(goVersion string) string {
	var text strings.Builder
	fmt.Fprintf(&text, "go %s\n", goVersion)
	packages := slices.Clone(b.result.Packages)
	slices.SortFunc(packages, func(x, y Package) int { return strings.Compare(x.Name, y.Name) })
	for _, p := range packages {
		fmt.Fprintf(&text, "%s %s\n", p.Name, p.Version)
	}
	return text.String()
}
