package board

import "slices"

// A real machine, and most virtual ones: Debian's generic kernel, in which even ext4 is a module. Network cards that
// can't do without a firmware file are left out: those files are not in Debian's main archive (r8169 can).
var pc = Board{
	Name:   "pc",
	Kernel: "linux-image-amd64",
	Boot: Modules{
		// The crypto modules are asked for by name when ext4 is mounted, and nothing answers in an initramfs.
		Always: slices.Concat([]string{"ext4", "crc32c_generic"}, qemu.Boot.Always),
		Driver: slices.Concat(qemu.Boot.Driver, []string{
			// disks
			"ahci", "ata_piix", "nvme", "vmd", "sdhci_pci", "sdhci_acpi", "mmc_block",
			"xhci_pci", "ehci_pci", "usb_storage", "uas",
			"vmw_pvscsi", "hv_vmbus", "hv_storvsc", "pci_hyperv", "xen_blkfront",
			// networks
			"e1000", "e1000e", "igb", "igc", "ixgbe", "i40e", "r8169", "realtek", "tg3", "alx", "atl1c",
			"vmxnet3", "hv_netvsc", "xen_netfront", "ena",
		}),
	},
	Later: Modules{
		// Keyboards for Ctrl-Alt-Del; those on USB need their host controller, which is above.
		Driver: slices.Concat(qemu.Later.Driver, []string{
			"usbhid", "hid_generic", "hyperv_keyboard",
			"i2c_i801", "iTCO_wdt", "sp5100_tco", "wdat_wdt", "i6300esb",
		}),
	},
	Watchdog:    "softdog",
	Console:     []string{"ttyS0,115200", "tty0"},
	CommandLine: []string{"quiet", "panic=-1"},
}
