// Bench measures a box beside what it stands on: the store's puts beside the disk's own append and sync, and
// RETR beside Dovecot's. Both sides of a comparison run in turns, so a machine that has other work too slows
// both: read the ratios.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"postroom/init/supervisor"
	"postroom/services/console"
	"postroom/services/fetcher"
	"postroom/services/pop3"
	"postroom/services/store"
	"postroom/services/validator"
)

// services are what this program is when the supervisor starts it under their names.
var services = map[string]func(args []string) int{
	"confine":   func(args []string) int { return supervisor.Confine(args[1:]) },
	"store":     store.Main,
	"pop3":      pop3.Main,
	"fetcher":   fetcher.Main,
	"validator": validator.Main,
	"console":   console.Main,
}

// config is what the flags say.
type config struct {
	dir    string        // holds all data, and is on the disk that is measured
	rounds int           // of each measurement; the median counts
	turn   time.Duration // of one side in one round
	small  int           // mails of 4 KiB in a mailbox
	large  int           // mails of 1 MiB in a mailbox
	put    counts        // how many writers put at once
}

// environment is what services are started with.
func (config) environment() []string { return os.Environ() }

func main() {
	name := filepath.Base(os.Args[0])
	if service, ok := services[name]; ok {
		os.Exit(profiled(name, service))
	}
	os.Exit(bench())
}

func bench() int {
	in := flag.String("dir", filepath.Join("build", "bench"), "folder on the disk to measure; what is written there is removed again")
	short := flag.Bool("short", false, "a quick run: its figures say less")
	only := flag.String("only", "", "puts or retr: that part alone")
	writers := counts{1, 10, 50}
	flag.Var(&writers, "writers", "how many writers put at once")
	profile := flag.String("profile", "", "folder that every service writes its CPU profile to, as NAME.pprof")
	flag.Parse()
	cfg := config{rounds: 9, turn: time.Second, small: 1000, large: 32, put: writers}
	if *short {
		cfg = config{rounds: 3, turn: 250 * time.Millisecond, small: 100, large: 4, put: writers}
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := setProfile(*profile); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	if err := run(ctx, cfg, *in, *only); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	return 0
}

func run(ctx context.Context, cfg config, in, only string) (err error) {
	if cfg.dir, err = workFolder(in); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(cfg.dir)) }()
	if only != "retr" {
		if err := benchPuts(ctx, cfg); err != nil {
			return fmt.Errorf("puts: %w", err)
		}
	}
	if only != "puts" {
		if err := benchRetr(ctx, cfg); err != nil {
			return fmt.Errorf("retr: %w", err)
		}
	}
	return nil
}
