package hardware

import (
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"sync"
	"testing"
)

func TestParseEvent(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, message string
		want          Event
		ok            bool
	}{
		{"a device", "add@/devices/pci0000:00/0000:00:02.0\x00ACTION=add\x00SUBSYSTEM=pci\x00MODALIAS=pci:v00001AF4\x00", Event{"add", "/devices/pci0000:00/0000:00:02.0", "pci", "pci:v00001AF4"}, true},
		{"without variables", "remove@/module/vfat", Event{Action: "remove", Path: "/module/vfat"}, true},
		{"of udev", "libudev\x00\xfe\xed\xca\xfe", Event{}, false},
		{"nothing", "", Event{}, false},
	} {
		got, ok := parseEvent([]byte(c.message))
		if got != c.want || ok != c.ok {
			t.Errorf("%s: parseEvent(%q) = %+v, %v, want %+v, %v", c.name, c.message, got, ok, c.want, c.ok)
		}
	}
}

// probed notes what is loaded.
type probed struct {
	mu   sync.Mutex
	all  []string
	fail string
}

func (p *probed) Probe(name, _ string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all = append(p.all, name)
	if name == p.fail {
		return errors.New("no such device")
	}
	return nil
}

func (p *probed) names() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Sorted(slices.Values(p.all))
}

func testLoader(t *testing.T, p prober) *Loader {
	t.Helper()
	folder := t.TempDir()
	write(t, filepath.Join(folder, "modules.alias"), `# Aliases
alias pci:v00001AF4d*sv*sd*bc*sc*i* virtio-pci
alias virtio:d00000001v* virtio_net
alias virtio:d00000002v* virtio_blk
alias pci:v000010ECd00008168sv*sd*bc*sc*i* r8169
`)
	write(t, filepath.Join(folder, "modules.softdep"), "# Soft dependencies\nsoftdep r8169 pre: realtek post: nothing\n")
	l, err := newLoader(slog.New(slog.NewTextHandler(io.Discard, nil)), func(string) func() { return func() {} }, p, folder)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestDevicesGetTheirDrivers(t *testing.T) {
	t.Parallel()
	var p probed
	l := testLoader(t, &p)
	buses := t.TempDir()
	write(t, filepath.Join(buses, "pci/devices/0000:00:02.0/modalias"), "pci:v00001AF4d00001041sv00001AF4sd00001100bc02sc00i00\n")
	write(t, filepath.Join(buses, "pci/devices/0000:00:03.0/modalias"), "pci:v00001AF4d00001041sv00001AF4sd00001100bc02sc00i00\n")
	write(t, filepath.Join(buses, "virtio/devices/virtio1/modalias"), "virtio:d00000002v00001AF4\n")
	for _, driver := range []string{"virtio_pci", "virtio-net"} {
		l.drivers[canonical(driver)] = true
	}
	l.look(buses)
	l.Plug("virtio:d00000001v00001AF4")
	l.Plug("virtio:d00000001v00001AF4")
	l.running.Wait()
	if want := []string{"virtio_net", "virtio_pci"}; !reflect.DeepEqual(p.names(), want) {
		t.Errorf("loaded %q, want %q: each once, and none that is not to be driven", p.names(), want)
	}
}

func TestSoftDependenciesComeFirst(t *testing.T) {
	t.Parallel()
	var p probed
	l := testLoader(t, &p)
	if err := l.Load("r8169"); err != nil {
		t.Fatal(err)
	}
	if want := []string{"realtek", "r8169"}; !reflect.DeepEqual(p.all, want) {
		t.Errorf("loaded %q, want %q", p.all, want)
	}
}

func TestLoadSaysWhatWasNotLoaded(t *testing.T) {
	t.Parallel()
	p := probed{fail: "efivarfs"}
	l := testLoader(t, &p)
	err := l.Load("vfat", "efivarfs")
	if err == nil || err.Error() != `load module "efivarfs": no such device` {
		t.Errorf("error %v", err)
	}
	if want := []string{"efivarfs", "vfat"}; !reflect.DeepEqual(p.names(), want) {
		t.Errorf("loaded %q, want %q", p.names(), want)
	}
}
