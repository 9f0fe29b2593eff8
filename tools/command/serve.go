package command

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"postroom/init/manager"
	"postroom/init/supervisor"

	"github.com/spf13/cobra"
)

// hosted is where a box on a workstation keeps what it has, below its data folder.
type hosted string

func (d hosted) store() string      { return filepath.Join(string(d), "store") }
func (d hosted) keyFile() string    { return filepath.Join(string(d), "key", "machine.key") }
func (d hosted) clientKeys() string { return filepath.Join(string(d), "key", "client-keys.pem") }
func (d hosted) run() string        { return filepath.Join(string(d), "run") }

func newServe() *cobra.Command {
	var file string
	var level slog.Level
	c := &cobra.Command{
		Use:   "serve --data DIR [--settings FILE]",
		Short: "Run a box on this machine, in the foreground",
		Long: `Run a box on this machine, in the foreground, without any isolation between its services.

Everything it keeps is in DIR. A settings file is applied at the start whenever it differs from the one that was
applied last; without one the box listens on loopback alone: ports 1110
and 1995 (POP3), 1025, 1587 and 1465 (SMTP), and 8443 (console).
Each socket is printed as a line on standard output, then "ready"; the log goes to standard error. SIGTERM and
SIGINT end it in order.`,
		Example: `  postroom serve --data ~/postroom
  postroom serve --data /var/lib/postroom --settings postroom.toml`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			data, err := dataDir(c)
			if err != nil {
				return err
			}
			return serve(c.Context(), data, file, level)
		},
	}
	c.Flags().StringVar(&file, "settings", "", "settings file (TOML)")
	c.Flags().TextVar(&level, "log-level", slog.LevelInfo, "least level that is logged: DEBUG, INFO, WARN, ERROR")
	return c
}

func serve(ctx context.Context, data, file string, level slog.Level) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level})).With("service", "init")
	abs, err := filepath.Abs(data)
	if err != nil {
		return err
	}
	dir := hosted(abs)
	if err := os.MkdirAll(dir.run(), 0o700); err != nil {
		return fmt.Errorf("make data folder: %w", err)
	}
	log.Warn("hosted mode: the services are not isolated from each other", "data", abs)
	reaper := supervisor.NewReaper(false)
	defer reaper.Close()
	return manager.Run(ctx, manager.Config{
		Hosted: true, Run: dir.run(), Store: dir.store(), KeyFile: dir.keyFile(), ClientKeys: dir.clientKeys(),
		Version: Version, Settings: file, Source: "serve", Reaper: reaper, Env: os.Environ(), Log: log, LogLevel: level,
		OnListening: printListening,
		OnReady:     func() { fmt.Println("ready") },
	})
}

func printListening(sockets []manager.Listening) {
	for _, l := range sockets {
		fmt.Printf("listening service=%s setting=%s tls=%t addr=%s\n", l.Service, l.Setting, l.TLS, l.Address)
	}
}
