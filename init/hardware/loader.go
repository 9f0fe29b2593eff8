package hardware

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/u-root/u-root/pkg/kmodule"
	"golang.org/x/sys/unix"
)

// A Loader loads modules of the running kernel, each once and side by side.
type Loader struct {
	log     *slog.Logger
	prober  prober
	aliases aliases
	before  map[string][]string
	step    func(name string) (end func())

	mu      sync.Mutex          // guards what follows
	drivers map[string]bool     // modules that devices may have
	seen    map[string]struct{} // modaliases
	loads   map[string]*load
	running sync.WaitGroup
}

// prober is what loads one module, what it depends on first.
type prober interface {
	Probe(name, parameters string) error
}

type load struct {
	done chan struct{}
	err  error // read it behind done
}

// NewLoader reads the indexes of the kernel's modules. step is called when one begins to be loaded, what it gives
// when that has ended.
func NewLoader(log *slog.Logger, step func(name string) (end func())) (*Loader, error) {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return nil, fmt.Errorf("ask for the kernel's release: %w", err)
	}
	prober, err := kmodule.NewProber(kmodule.ProbeOpts{})
	if err != nil {
		return nil, fmt.Errorf("read the list of modules: %w", err)
	}
	return newLoader(log, step, prober, filepath.Join("/lib/modules", unix.ByteSliceToString(name.Release[:])))
}

func newLoader(log *slog.Logger, step func(string) func(), prober prober, folder string) (*Loader, error) {
	aliases, err := readAliases(folder)
	if err != nil {
		return nil, err
	}
	before, err := readSoftDependencies(folder)
	if err != nil {
		return nil, err
	}
	return &Loader{
		log: log, step: step, prober: prober, aliases: aliases, before: before,
		drivers: make(map[string]bool), seen: make(map[string]struct{}), loads: make(map[string]*load),
	}, nil
}

// Load loads modules, side by side, and returns when all are there or not.
func (l *Loader) Load(modules ...string) error {
	loads := make([]*load, len(modules))
	for i, module := range modules {
		loads[i] = l.begin(canonical(module))
	}
	var errs []error
	for _, one := range loads {
		<-one.done
		errs = append(errs, one.err)
	}
	return errors.Join(errs...)
}

// begin starts to load a module unless that was begun before.
func (l *Loader) begin(module string) *load {
	l.mu.Lock()
	defer l.mu.Unlock()
	if known, ok := l.loads[module]; ok {
		return known
	}
	one := &load{done: make(chan struct{})}
	l.loads[module] = one
	l.running.Go(func() {
		defer close(one.done)
		defer l.step("module " + module)()
		for _, first := range l.before[module] {
			if err := l.prober.Probe(first, ""); err != nil {
				l.log.Debug("module that is best loaded before is not loaded", "module", first, "for", module, "err", err)
			}
		}
		if err := l.prober.Probe(module, ""); err != nil {
			one.err = fmt.Errorf("load module %q: %w", module, err)
		}
	})
	return one
}

// Drive lets devices have these drivers from now on, and loads those that devices ask for which are there now.
// What devices come later is for Plug.
func (l *Loader) Drive(drivers ...string) {
	l.mu.Lock()
	for _, driver := range drivers {
		l.drivers[canonical(driver)] = true
	}
	clear(l.seen)
	l.mu.Unlock()
	l.Look()
}

// Look looks for devices that are there now, and begins to load what they ask for.
func (l *Loader) Look() { l.look("/sys/bus") }

// look looks only at buses that drivers are for: most devices are on others.
func (l *Loader) look(buses string) {
	l.mu.Lock()
	names := l.aliases.buses(l.drivers)
	l.mu.Unlock()
	for _, bus := range names {
		files, _ := filepath.Glob(filepath.Join(buses, bus, "devices", "*", "modalias")) // the pattern is right
		for _, file := range files {
			if text, err := os.ReadFile(file); err == nil {
				l.Plug(strings.TrimSpace(string(text)))
			}
		}
	}
}

// Plug begins to load what a device asks for.
func (l *Loader) Plug(modalias string) {
	for _, module := range l.wanted(modalias) {
		one := l.begin(module)
		l.running.Go(func() {
			<-one.done
			if one.err != nil {
				l.log.Warn("driver is not loaded", "modalias", modalias, "err", one.err)
			}
		})
	}
}

func (l *Loader) wanted(modalias string) (modules []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.seen[modalias]; ok || modalias == "" {
		return nil
	}
	l.seen[modalias] = struct{}{}
	for _, module := range l.aliases.find(modalias) {
		if l.drivers[module] {
			modules = append(modules, module)
		}
	}
	return modules
}
