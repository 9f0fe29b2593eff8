package supervisor

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/coreos/go-systemd/v22/daemon"
)

// talker is a service as Postroom has them: sockets and notifications by go-systemd. It does what a line
// of a connection says, and answers with one. Under the name "deaf" it doesn't end on SIGTERM.
func talker([]string) int {
	quit := make(chan os.Signal, 1)
	signal.Notify(quit, syscall.SIGTERM)
	environ := os.Environ()
	listeners, err := activation.Listeners()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	t := &chat{environ: environ, quiet: make(chan struct{})}
	watched, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if watched > 0 {
		go t.feed(watched / 3)
	}
	var conns sync.WaitGroup
	for _, listener := range listeners {
		go func() {
			for {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				conns.Go(func() { t.serve(conn) })
			}
		}()
	}
	daemon.SdNotify(false, "READY=1\nSTATUS=talking")
	<-quit
	fmt.Println(os.Args[0], "told to end")
	if os.Args[0] == "deaf" {
		select {}
	}
	daemon.SdNotify(false, daemon.SdNotifyStopping)
	for _, listener := range listeners {
		listener.Close()
	}
	conns.Wait()
	return 0
}

type chat struct {
	environ []string
	quiet   chan struct{} // closed: feeds the watchdog no more
	once    sync.Once
}

func (t *chat) feed(every time.Duration) {
	for {
		select {
		case <-time.After(every):
			daemon.SdNotify(false, daemon.SdNotifyWatchdog)
		case <-t.quiet:
			return
		}
	}
}

func (t *chat) serve(conn net.Conn) {
	defer conn.Close()
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		command, argument, _ := strings.Cut(lines.Text(), " ")
		fmt.Fprintln(conn, t.do(command, argument))
	}
}

func (t *chat) do(command, argument string) string {
	switch command {
	case "pid":
		return fmt.Sprint(os.Getpid())
	case "crash":
		os.Exit(4)
	case "hang":
		t.once.Do(func() { close(t.quiet) })
	case "env":
		for _, variable := range t.environ {
			if value, found := strings.CutPrefix(variable, argument+"="); found {
				return value
			}
		}
		return "none"
	case "status": // a line of /proc/self/status, of the first thread: the one that was executed
		text, err := os.ReadFile("/proc/self/status")
		if err != nil {
			return err.Error()
		}
		for line := range strings.Lines(string(text)) {
			if value, found := strings.CutPrefix(line, argument+":"); found {
				return strings.Join(strings.Fields(value), " ")
			}
		}
		return "none"
	case "descriptors":
		return fmt.Sprint(inherited())
	case "read":
		_, err := os.ReadFile(argument)
		return word(err)
	case "write":
		return word(os.WriteFile(argument, []byte("written"), 0o600))
	case "truncate":
		return word(os.Truncate(argument, 0))
	case "list":
		_, err := os.ReadDir(argument)
		return word(err)
	case "remove":
		return word(os.Remove(argument))
	case "rename":
		from, to, _ := strings.Cut(argument, " ")
		return word(os.Rename(from, to))
	}
	return "ok"
}

// inherited gives the paths of all that is open.
func inherited() (paths []string) {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return []string{err.Error()}
	}
	for _, entry := range entries {
		if path, err := os.Readlink("/proc/self/fd/" + entry.Name()); err == nil && strings.HasPrefix(path, "/") {
			paths = append(paths, path)
		}
	}
	return paths
}

func word(err error) string {
	if err != nil {
		return err.Error()
	}
	return "ok"
}

// mute never says READY=1.
func mute([]string) int {
	never := make(chan os.Signal, 1)
	signal.Notify(never, syscall.SIGUSR1) // else Go's runtime finds that nothing can happen any more
	<-never
	return 0
}
