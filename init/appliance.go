package pid1

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"postroom/board"
	"postroom/init/clock"
	"postroom/init/disk"
	"postroom/init/hardware"
	"postroom/init/journal"
	"postroom/init/manager"
	"postroom/init/network"
	"postroom/init/supervisor"
	"postroom/init/timeline"
	"postroom/init/watchdog"
	"postroom/services/settings"

	"golang.org/x/sys/unix"
)

// An appliance is the running machine.
type appliance struct {
	start    time.Time
	timeline *timeline.Timeline
	consoles consoles
	journal  *journal.Journal
	log      *slog.Logger
	reaper   *supervisor.Reaper
	board    *board.Board
	version  string
	memory   uint64 // octets

	loader *hardware.Loader // nil: the image has no modules
	blocks latest[struct{}] // a disk or partition came or changed

	network latest[network.Wanted]
	clock   latest[clock.Wanted]
	look    latest[struct{}] // at the clock
	good    latest[bool]     // the clock

	addresses latest[struct{}] // of this machine have changed

	listening latest[[]manager.Listening]
	ready     chan struct{}

	watchdog   atomic.Pointer[watchdog.Device] // nil: none is armed
	supervised atomic.Pointer[time.Time]       // when the supervisor's loop answered last

	background sync.WaitGroup
}

func newAppliance(start time.Time) *appliance {
	return &appliance{
		start: start, timeline: timeline.New(start),
		blocks: newLatest[struct{}](), network: newLatest[network.Wanted](), clock: newLatest[clock.Wanted](),
		look: newLatest[struct{}](), addresses: newLatest[struct{}](), good: newLatest[bool](), listening: newLatest[[]manager.Listening](),
		ready: make(chan struct{}),
	}
}

// run boots, and serves until the machine is to end.
func (a *appliance) run() order {
	mounted := a.step("base file systems")
	problem := mountBase()
	mounted()
	a.consoles = openConsoles()
	a.journal = journal.New(a.consoles.log)
	a.log = slog.New(slog.NewTextHandler(a.journal, nil)).With("service", "init")
	if problem != nil {
		a.log.Error("base file systems are not all there", "err", problem)
	}
	if err := raiseLimits(); err != nil {
		a.log.Error("few clients can be served at once", "err", err)
	}
	a.reaper = supervisor.NewReaper(true)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	orders := listenForOrders(ctx, a.log)
	if err := a.identify(); err != nil {
		a.log.Error("image is not whole", "err", err)
		a.say("This image can't be used: %v", err)
		return <-orders
	}

	a.background.Go(func() { a.keepNetwork(ctx) })
	a.background.Go(func() { a.keepClock(ctx) })
	a.startHardware(ctx)
	served := make(chan struct{})
	go func() {
		defer close(served)
		a.serve(ctx)
	}()
	order := <-orders
	a.log.Info("the machine is told to end", "order", order.name)
	a.say("Going down: %s", order.name)
	cancel()
	select {
	case <-served:
	case <-time.After(stopPatience):
		a.log.Error("services did not end in time")
	}
	return order
}

// step begins a step of the boot table.
func (a *appliance) step(name string) (end func()) { return a.timeline.Begin(name) }

// say tells whoever looks at a screen.
func (a *appliance) say(format string, args ...any) {
	fmt.Fprintf(a.consoles, "\n%s\n", fmt.Sprintf(format, args...))
}

// identify reads what image this is.
func (a *appliance) identify() error {
	name, err := os.ReadFile(board.NameFile)
	if err != nil {
		return err
	}
	if a.board, err = board.Named(strings.TrimSpace(string(name))); err != nil {
		return err
	}
	version, err := os.ReadFile(board.VersionFile)
	if err != nil {
		return err
	}
	a.version = strings.TrimSpace(string(version))
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return fmt.Errorf("ask for the size of memory: %w", err)
	}
	a.memory = uint64(info.Totalram) * uint64(info.Unit)
	return nil
}

// Modules that no device asks for, by what needs them; some are parts of some kernels.
var (
	bootModules = []string{"vfat", "nls_cp437", "nls_ascii"}
	dataModules = []string{"ext4", "crc32c_generic"}
)

// startHardware begins to load modules for what is there, and for what comes.
func (a *appliance) startHardware(ctx context.Context) {
	events, err := hardware.Listen()
	if err != nil {
		a.log.Error("new devices are not noticed", "err", err)
	}
	end := a.step("list of modules")
	a.loader, err = hardware.NewLoader(a.log, a.step)
	end()
	if err != nil {
		a.log.Error("modules can't be loaded", "err", err)
	}
	if events != nil {
		a.background.Go(func() {
			if err := events.Each(ctx, a.hear, a.lookAgain); err != nil {
				a.log.Error("new devices are not noticed any more", "err", err)
			}
		})
	}
	if a.loader != nil {
		a.background.Go(func() {
			end := a.step("drivers")
			a.loader.Drive(a.board.Boot.Driver...)
			end()
			// Large, where it isn't part of the kernel, and disks of such machines take their time. What the boot
			// partition needs would only be in the way of the disk's driver.
			a.load(dataModules...)
		})
	}
}

// hear hears what the kernel says of a device.
func (a *appliance) hear(e hardware.Event) {
	if a.loader != nil && e.Action == "add" {
		a.loader.Plug(e.Modalias)
	}
	if e.Subsystem == "block" {
		a.blocks.put(struct{}{})
	}
}

func (a *appliance) lookAgain() {
	if a.loader != nil {
		a.loader.Look()
	}
	a.blocks.put(struct{}{})
}

// load loads modules that are needed for something; what needs one that isn't there will say so again.
func (a *appliance) load(modules ...string) {
	if a.loader == nil {
		return
	}
	if err := a.loader.Load(modules...); err != nil {
		a.log.Warn("module is not loaded", "err", err)
	}
}

// serve gets at the disk, and runs the services on it until ctx ends. When it can't, it waits: a machine without
// its disk is for a person to look at.
func (a *appliance) serve(ctx context.Context) {
	layout, err := a.findDisk(ctx)
	if err != nil {
		return // ctx has ended
	}
	fatal := make(chan error, 2)
	var prepared sync.WaitGroup
	prepared.Go(func() { fatal <- a.openBoot(layout.Boot) })
	prepared.Go(func() { fatal <- a.openData(ctx, layout.Data) })
	if err := errors.Join(<-fatal, <-fatal); err != nil {
		if ctx.Err() == nil {
			a.log.Error("the box can't serve", "err", err)
			a.say("This box can't serve:\n%v\n\nNothing was formatted. Mail that it holds is on %s.", err, layout.Data.Device)
		}
		<-ctx.Done()
		return
	}
	a.background.Go(func() { a.finishBoot(ctx, layout) })
	a.runServices(ctx)
}

// noDiskYet is when a person is told that there is no disk.
const noDiskYet = 20 * time.Second

// findDisk waits for the box's disk.
func (a *appliance) findDisk(ctx context.Context) (disk.Layout, error) {
	defer a.step("disk appears")()
	boot := a.bootPartition()
	tell := time.NewTimer(noDiskYet)
	defer tell.Stop()
	for {
		layout, disks, err := disk.Find(boot)
		if err == nil {
			if len(disks) > 1 {
				a.log.Warn("several disks are this box's; the first is used", "disks", disks)
			}
			return layout, nil
		}
		select {
		case <-ctx.Done():
			return layout, ctx.Err()
		case <-a.blocks:
		case <-tell.C:
			a.log.Error("the box's disk is not there", "err", err)
			a.say("This box can't serve: no disk with the partitions %q and %q is there.\nIt goes on as soon as there is one.",
				board.BootLabel, board.DataLabel)
		}
	}
}

// bootPartition asks the firmware which partition the boot loader came from (systemd's Boot Loader Interface);
// empty: it isn't known.
func (a *appliance) bootPartition() string {
	if !isThere("/sys/firmware/efi") {
		return ""
	}
	defer a.step("firmware variables")()
	a.load("efivarfs")
	if err := (mount{"efivarfs", efiPoint, "efivarfs", noFiles | unix.MS_RDONLY, ""}).do(); err != nil {
		a.log.Warn("firmware's variables can't be read", "err", err)
		return ""
	}
	variable, err := os.ReadFile(efiPoint + "/LoaderDevicePartUUID-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f")
	if err != nil {
		return ""
	}
	return loaderString(variable)
}

// loaderString reads a variable of the Boot Loader Interface: 4 octets of attributes, then UTF-16 up to a NUL.
func loaderString(variable []byte) string {
	var text []byte
	for i := 4; i+1 < len(variable) && (variable[i] != 0 || variable[i+1] != 0); i += 2 {
		if variable[i+1] != 0 || variable[i] >= 0x80 {
			return "" // a GUID is ASCII
		}
		text = append(text, variable[i])
	}
	return string(text)
}

// openBoot mounts the EFI system partition and takes from it what services need.
func (a *appliance) openBoot(p disk.Partition) error {
	end := a.step("modules for the boot partition")
	a.load(bootModules...)
	end()
	defer a.step("boot partition")()
	if err := mountBoot(p.Device); err != nil {
		return err
	}
	if err := makeFolders(runFolders()); err != nil {
		return err
	}
	s := settings.Default()
	if text, err := os.ReadFile(settingsFile); err == nil {
		// What is wrong with it is said when it is applied. Until then the network is what it says, or the default.
		if in, err := settings.Parse(board.SettingsFile, text); err == nil {
			s = in
		}
	}
	a.applySettings(s)
	key, err := machineKey(bootPoint+"/"+board.MachineKeyFile, changeBoot, a.log)
	if err != nil {
		return err
	}
	clientKeys, err := os.ReadFile(bootPoint + "/" + board.ClientKeysFile)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		a.log.Error("client keys can't be read: no command reaches this box", "err", err)
	}
	return errors.Join(
		hand(keyFile, key, users["store"]),
		hand(clientKeysFile, clientKeys, users["console"]),
	)
}

const settingsFile = bootPoint + "/" + board.SettingsFile

// openData checks and mounts the data partition.
func (a *appliance) openData(ctx context.Context, p disk.Partition) error {
	a.load(dataModules...)
	if err := disk.Clean(p.Device); err != nil {
		a.log.Warn("data partition is checked", "because", err)
		end := a.step("check of the data partition")
		repaired, err := disk.Check(ctx, a.reaper, p.Device)
		end()
		if err != nil {
			return err
		}
		if repaired != "" {
			a.log.Warn("data partition was repaired", "e2fsck", repaired)
		}
	}
	defer a.step("data partition")()
	if err := mountData(p.Device); err != nil {
		return err
	}
	if err := makeFolders(dataFolders()); err != nil {
		return err
	}
	if err := a.journal.Keep(logFolder); err != nil {
		a.log.Error("log is not kept on disk", "err", err)
	}
	return nil
}

// runServices runs the services until ctx ends.
func (a *appliance) runServices(ctx context.Context) {
	output, err := a.journal.Pipe()
	if err != nil {
		a.log.Error("services can't log", "err", err)
		output = os.Stderr
	} else {
		defer output.Close()
	}
	c := manager.Config{
		Run: socketFolder, Store: storeFolder, KeyFile: keyFile, ClientKeys: clientKeysFile, Version: a.version,
		Reaper: a.reaper, Stdout: output, Stderr: output, Cgroup: cgroupPoint + "/postroom",
		Log: a.log, LogLevel: slog.LevelInfo,
		Confine: func(s *supervisor.Service) { confine(s, a.memory) },
		Owner:   socketOwner,
		Clock:   a.good, OnStatus: a.supervisorSpoke, OnSettings: a.applySettings, OnListening: a.listening.put,
		OnReady: sync.OnceFunc(func() { close(a.ready) }),
	}
	if isThere(settingsFile) {
		c.Settings, c.Source = settingsFile, "boot"
	}
	for ctx.Err() == nil {
		if err := manager.Run(ctx, c); err != nil && ctx.Err() == nil {
			a.log.Error("services can't be run", "err", err)
			a.say("The services of this box can't be run: %v", err)
			select {
			case <-ctx.Done():
			case <-time.After(5 * time.Second):
			}
		}
	}
}

// applySettings is called with the settings in force; also before the store runs, with what the file says.
func (a *appliance) applySettings(s *settings.Settings) {
	if err := unix.Sethostname([]byte(s.Appliance.Name)); err != nil {
		a.log.Warn("host name is not set", "err", err)
	}
	a.network.put(network.Wanted{Name: s.Appliance.Name, Network: s.Network})
	a.clock.put(clock.Wanted{Servers: s.Appliance.TimeServers, DNS: s.Network.DNS})
}

func (a *appliance) keepNetwork(ctx context.Context) {
	k := network.Keeper{Log: a.log, Resolv: resolvFile, OnChange: a.addressesChanged}
	if err := k.Run(ctx, a.network); err != nil {
		a.log.Error("network is not kept", "err", err)
	}
}

func (a *appliance) addressesChanged() {
	a.look.put(struct{}{})
	a.addresses.put(struct{}{})
}

func (a *appliance) keepClock(ctx context.Context) {
	k := clock.Keeper{Log: a.log, OnGood: a.good.put}
	k.Run(ctx, a.clock, a.look)
}
