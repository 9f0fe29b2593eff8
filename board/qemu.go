package board

// A virtual machine by QEMU: virtio, or NVMe, which is part of the kernel. Debian's cloud kernel has no AHCI, no USB,
// no hardware's network card and no watchdog but the software one.
var qemu = Board{
	Name:   "qemu",
	Kernel: "linux-image-cloud-amd64",
	Boot: Modules{
		Always: []string{"vfat", "nls_cp437", "nls_ascii", "efivarfs"},
		Driver: []string{"virtio_pci", "virtio_blk", "virtio_scsi", "sd_mod", "virtio_net"},
	},
	Later: Modules{
		Driver: []string{"virtio_rng", "button"},
	},
	Watchdog:    "softdog",
	Console:     []string{"tty0", "ttyS0,115200"},
	CommandLine: []string{"quiet", "panic=-1"},
}
