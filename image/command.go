package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// epoch is the time of everything in an image, for tools that write one.
const epoch = "1735689600" // 2025-01-01

// tools of Debian by package, for the message when one is missing.
var tools = map[string]string{
	"apt-get": "apt", "apt-cache": "apt", "dpkg-deb": "dpkg", "depmod": "kmod", "zstd": "zstd",
	"objcopy": "binutils", "mkfs.vfat": "dosfstools", "mmd": "mtools", "mcopy": "mtools", "mke2fs": "e2fsprogs",
}

// output runs a tool and gives its standard output. Its standard error is in the error.
func output(ctx context.Context, env []string, name string, args ...string) ([]byte, error) {
	// Tools for file systems are in folders that a user's PATH leaves out.
	path, err := exec.LookPath(name)
	for _, folder := range []string{"/usr/sbin/", "/sbin/"} {
		if err != nil {
			path, err = exec.LookPath(folder + name)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("tool %s is missing: package %s has it (make deps)", name, tools[name])
	}
	var out, problem bytes.Buffer
	c := exec.CommandContext(ctx, path, args...)
	c.Env = append(os.Environ(), "LC_ALL=C", "TZ=UTC", "SOURCE_DATE_EPOCH="+epoch)
	c.Env = append(c.Env, env...)
	c.Stdout, c.Stderr = &out, &problem
	if err := c.Run(); err != nil {
		text := strings.TrimSpace(problem.String())
		if text == "" {
			text = strings.TrimSpace(out.String())
		}
		return nil, errors.Join(fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err), textError(text))
	}
	return out.Bytes(), nil
}

func textError(text string) error {
	if text == "" {
		return nil
	}
	return errors.New(text)
}

func command(ctx context.Context, env []string, name string, args ...string) error {
	_, err := output(ctx, env, name, args...)
	return err
}
