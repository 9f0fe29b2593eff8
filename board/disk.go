package board

// The disk of every board, after the UAPI Group's Discoverable Partitions Specification: an EFI system partition,
// and behind it, so that it can grow, the data partition.
const (
	// BootType is an EFI system partition.
	BootType  = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
	BootLabel = "postroom-boot"
	// BootOffset is where it begins on a disk image, octets.
	BootOffset = 1 << 20

	// DataType is "server data" (/srv). The data partition is known by its type with its label.
	DataType  = "3B8F8425-20E0-4F3B-907F-1A25A76F98E8"
	DataLabel = "postroom-data"
)

// Files on the EFI system partition, from its root.
const (
	SettingsFile   = "postroom.toml"
	ClientKeysFile = "postroom/client-keys.pem"
	MachineKeyFile = "postroom/machine.key"
	SlotFolder     = "EFI/Linux" // unified kernel images
)

// Files in the image that say what it is.
const (
	NameFile     = "/etc/postroom/board"
	VersionFile  = "/etc/postroom/version"
	PackagesFile = "/etc/postroom/packages" // a line a package: name, version
)
