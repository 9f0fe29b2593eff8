// Package process is what the program of every service has around its work: flags, a log, its end by SIGTERM, and the
// words to its supervisor, by systemd's protocol. Passed sockets are taken by those who have any.
package process

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
)

// A Program is one service's: New, then its flags, then Main.
type Program struct {
	// Flags is for those that needn't be given.
	Flags *flag.FlagSet

	required []string
	level    slog.Level
}

// New gives a program whose one flag is --log-level.
func New(name string) *Program {
	p := &Program{Flags: flag.NewFlagSet(name, flag.ContinueOnError)}
	p.Flags.TextVar(&p.level, "log-level", slog.LevelInfo, "least `level` that is logged: debug, info, warn, error")
	return p
}

// Require adds a flag that has to be given.
func (p *Program) Require(to *string, name, usage string) {
	p.Flags.StringVar(to, name, "", usage)
	p.required = append(p.required, name)
}

// Main runs the service until it returns, which it does when ctx ends: by SIGTERM or SIGINT. It gives the exit status. args
// begins with the name that the program was started under.
func (p *Program) Main(args []string, run func(ctx context.Context, log *slog.Logger) error) int {
	if err := p.parse(args[min(1, len(args)):]); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: p.level})).With("service", p.Flags.Name())
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx, log); err != nil {
		log.Error("service ended", "err", err)
		return 1
	}
	return 0
}

// parse says itself what is wrong.
func (p *Program) parse(args []string) error {
	if err := p.Flags.Parse(args); err != nil {
		return err
	}
	var err error
	if p.Flags.NArg() > 0 {
		err = fmt.Errorf("%q is no flag", p.Flags.Arg(0))
	}
	for _, name := range p.required {
		if p.Flags.Lookup(name).Value.String() == "" {
			err = fmt.Errorf("--%s is missing", name)
		}
	}
	if err != nil {
		fmt.Fprintf(p.Flags.Output(), "%s: %v\n", p.Flags.Name(), err)
		p.Flags.Usage()
	}
	return err
}
