package guest

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
)

// arguments are QEMU's. The guest has one CPU: of two that are emulated, one stopped answering the other about once in 200 boots (the
// kernel says "soft lockup"); with one the boots take as long.
func (g *Guest) arguments(c Config, code, variables string) []string {
	args := append(acceleration(c),
		"-machine", "q35,smm=off",
		"-smp", "1", "-m", strconv.Itoa(cmp.Or(c.MemoryMiB, 1024)),
		"-nodefaults", "-display", "none", "-serial", "stdio",
		"-monitor", "unix:"+g.monitor()+",server=on,wait=off",
		"-drive", "if=pflash,unit=0,format=raw,readonly=on,file="+escape(code),
		"-drive", "if=pflash,unit=1,format=raw,file="+escape(variables),
		"-drive", "if=none,id=disk,format=raw,discard=unmap,file="+escape(c.Disk),
		"-netdev", network(c),
	)
	switch c.Hardware {
	case PC:
		args = append(args, "-device", "ide-hd,drive=disk,bootindex=0", "-device", "e1000e,netdev=net,romfile=",
			"-device", "i6300esb", "-action", "watchdog=reset")
	default:
		args = append(args, "-device", "virtio-blk-pci,drive=disk,bootindex=0", "-device", "virtio-net-pci,netdev=net,romfile=",
			"-device", "virtio-rng-pci")
	}
	return append(args, c.Args...)
}

// acceleration is emulation, which is the same on every machine: KVM in a virtual machine may not be.
func acceleration(c Config) []string {
	if c.KVM {
		return []string{"-accel", "kvm", "-cpu", "host"}
	}
	return []string{"-accel", "tcg,thread=multi", "-cpu", "max"}
}

func network(c Config) string {
	words := []string{"user", "id=net"}
	if !c.Open {
		words = append(words, "restrict=on")
	}
	for _, f := range c.Forward {
		words = append(words, fmt.Sprintf("hostfwd=tcp:%s-:%d", f.Host, f.Guest))
	}
	for _, p := range c.Provide {
		words = append(words, fmt.Sprintf("guestfwd=tcp:%s-cmd:%s", p.Address, p.Command))
	}
	return strings.Join(words, ",")
}

// escape doubles commas, which end a value for QEMU.
func escape(value string) string { return strings.ReplaceAll(value, ",", ",,") }

// monitor gives QEMU's monitor one command.
func monitor(ctx context.Context, socket, command string) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", socket)
	if err != nil {
		return fmt.Errorf("command %q to QEMU: %w", command, err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	r := bufio.NewReader(conn)
	prompt := func() error {
		const sign = "(qemu) "
		for seen := ""; !strings.HasSuffix(seen, sign); {
			c, err := r.ReadByte()
			if err != nil {
				return fmt.Errorf("command %q to QEMU: %w", command, err)
			}
			seen += string(c)
		}
		return nil
	}
	if err := prompt(); err != nil {
		return err
	}
	if _, err := fmt.Fprintln(conn, command); err != nil {
		return fmt.Errorf("command %q to QEMU: %w", command, err)
	}
	return prompt()
}
