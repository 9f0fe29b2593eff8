// Bench measures a box beside its peers: the store's puts beside the disk's own append and sync, serving beside
// Dovecot, fetching beside mpop, fetchmail and getmail. The sides of a comparison run in turns, so a machine that
// has other work too slows all: read the ratios.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"postroom/init/supervisor"
	"postroom/services/console"
	"postroom/services/fetcher"
	"postroom/services/pop3"
	"postroom/services/smtp"
	"postroom/services/store"
	"postroom/services/validator"
)

// services are what this program is when the supervisor starts it under their names.
var services = map[string]func(args []string) int{
	"confine":   func(args []string) int { return supervisor.Confine(args[1:]) },
	"store":     store.Main,
	"pop3":      pop3.Main,
	"smtp":      smtp.Main,
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

	mails     int       // of the mix, in a mailbox, and to be fetched
	fetches   int       // rounds of fetching
	delays    durations // round trips to the provider
	peers     []string  // that fetch beside the box
	sessions  int       // that idle
	accounts  int       // that are known
	storeRows int       // in the store
	polls     int       // with same-poll delivery
	queued    int       // mails in the Transport Queue
	relayed   int       // mails that go through
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
	only := flag.String("only", "", "parts alone, with commas between them: "+strings.Join(names(), ", "))
	writers := counts{1, 10, 50}
	flag.Var(&writers, "writers", "how many writers put at once")
	delays := durations{0, 20 * time.Millisecond, 100 * time.Millisecond}
	flag.Var(&delays, "delays", "round trips to the provider that is fetched from")
	peers := flag.String("peers", "mpop,fetchmail,getmail", "who fetches beside the box")
	profile := flag.String("profile", "", "folder that every service writes its CPU profile to, as NAME.pprof")
	flag.Parse()
	cfg := config{
		rounds: 9, turn: time.Second, small: 1000, large: 32, put: writers,
		mails: 1000, fetches: 3, sessions: 1000, accounts: 10_000, storeRows: 1_000_000, polls: 500,
		queued: 10_000, relayed: 3000,
	}
	if *short {
		cfg = config{
			rounds: 3, turn: 250 * time.Millisecond, small: 100, large: 4, put: writers,
			mails: 100, fetches: 1, sessions: 100, accounts: 500, storeRows: 30_000, polls: 50,
			queued: 1000, relayed: 500,
		}
	}
	cfg.delays, cfg.peers = delays, strings.Split(*peers, ",")
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
	wanted := names()
	if only != "" {
		wanted = strings.Split(only, ",")
	}
	for _, name := range wanted {
		i := slices.Index(names(), name)
		if i < 0 {
			return fmt.Errorf("-only %q: there is %s", name, strings.Join(names(), ", "))
		}
		part := cfg
		part.dir = filepath.Join(cfg.dir, name)
		if err := os.Mkdir(part.dir, 0o711); err != nil {
			return err
		}
		began := time.Now()
		if err := benches[i].run(ctx, part); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := os.RemoveAll(part.dir); err != nil {
			return err
		}
		fmt.Printf("\n(%s: %v)\n", name, time.Since(began).Round(time.Second))
	}
	return nil
}

// benches are the parts, in the order of a run of all.
var benches = []struct {
	name string
	run  func(context.Context, config) error
}{
	{"puts", benchPuts},
	{"retr", benchRetr},
	{"logins", benchLogins},
	{"mix", benchMix},
	{"fetch", benchFetch},
	{"sessions", benchSessions},
	{"accounts", benchAccounts},
	{"rows", benchRows},
	{"samepoll", benchSamePoll},
	{"submit", benchSubmit},
}

func names() (list []string) {
	for _, b := range benches {
		list = append(list, b.name)
	}
	return list
}
