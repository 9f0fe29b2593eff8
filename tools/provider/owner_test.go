package provider

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// The other tests run once more as an ordinary user where this one runs as root.
func TestAsAnOrdinaryUser(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		return // then all of them did
	}
	// The test program stands in a folder that only root can go through.
	dir, err := os.MkdirTemp("", "ordinary-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "provider.test")
	if err := os.WriteFile(program, self, 0o755); err != nil {
		t.Fatal(err)
	}
	nobody, err := findOwner()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(dir, nobody.mailUID, nobody.mailGID); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, "-test.v", "-test.run", "^(TestServesWhatItWasFilledWith|TestPasswords|TestDownAndUp)$")
	cmd.Dir = dir
	cmd.Env = []string{"PATH=/usr/bin:/bin", "TMPDIR=" + dir, "HOME=" + dir}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Credential: &syscall.Credential{Uid: uint32(nobody.mailUID), Gid: uint32(nobody.mailGID)},
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
