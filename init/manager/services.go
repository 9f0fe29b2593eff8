package manager

import (
	"path/filepath"
	"slices"
	"time"

	"postroom/init/supervisor"
	"postroom/services/settings"
)

// The services by name, in the order in which they are started.
const (
	store     = "store"
	fetcher   = "fetcher"
	validator = "validator"
	pop3      = "pop3"
	console   = "console"
	smtp      = "smtp"
)

// callers are the kinds of callers that the store serves: a socket each, owned by the user id of the service
// of that name; "admin" and "init" are the machine's owner's.
var callers = []string{pop3, smtp, fetcher, validator, console, "admin", "init"}

const watchdog = 30 * time.Second

// service describes a service to the supervisor, without its sockets.
func (m *Manager) service(name string, more ...string) supervisor.Service {
	args := append([]string{"--log-level", m.level()}, more...)
	s := supervisor.Service{Name: name, Env: m.cfg.Env, Watchdog: watchdog}
	if name != store {
		s.After = []string{store}
		args = append([]string{"--store", m.socket(name)}, args...)
	}
	s.Args = args
	if m.cfg.Confine != nil {
		m.cfg.Confine(&s)
	}
	return s
}

func (m *Manager) storeService() supervisor.Service {
	args := []string{"--data", m.cfg.Store, "--key", m.cfg.KeyFile, "--version", m.cfg.Version}
	if m.cfg.Hosted {
		args = append(args, "--hosted", "--create-key")
	}
	s := m.service(store, args...)
	s.StartTimeout = 10 * time.Minute // recovery reads what was written since the last checkpoint
	return s
}

func (m *Manager) bodies() string { return filepath.Join(m.cfg.Store, "bodies") }

func (m *Manager) level() string {
	level, _ := m.cfg.LogLevel.MarshalText() // it has no error
	return string(level)
}

// server is a service that listens where the settings say.
type server struct {
	name   string
	more   func(*Manager) []string // its own flags
	listen []listen
}

type listen struct {
	setting string // names the socket, too
	tls     bool
	at      func(*settings.Settings) []settings.Listen
}

var servers = []server{
	{pop3, func(m *Manager) []string { return []string{"--bodies", m.bodies()} }, []listen{
		{"pop3.listen", false, func(s *settings.Settings) []settings.Listen { return s.POP3.Listen }},
		{"pop3.listen_tls", true, func(s *settings.Settings) []settings.Listen { return s.POP3.ListenTLS }},
	}},
	{smtp, func(m *Manager) []string { return []string{"--bodies", m.bodies()} }, []listen{
		{"smtp.listen", false, func(s *settings.Settings) []settings.Listen { return s.SMTP.Listen }},
		{"smtp.listen_submission", false, func(s *settings.Settings) []settings.Listen { return s.SMTP.ListenSubmission }},
		{"smtp.listen_tls", true, func(s *settings.Settings) []settings.Listen { return s.SMTP.ListenTLS }},
	}},
	{console, func(m *Manager) []string { return []string{"--client-keys", m.cfg.ClientKeys} }, []listen{
		{"console.listen", true, func(s *settings.Settings) []settings.Listen { return s.Console.Listen }},
	}},
}

// where gives the server's configured addresses, by setting.
func (s server) where(in *settings.Settings) []Listening {
	var list []Listening
	for _, l := range s.listen {
		for _, at := range l.at(in) {
			list = append(list, Listening{Service: s.name, Setting: l.setting, TLS: l.tls, configured: at.String()})
		}
	}
	return list
}

// Listening is a socket that a service listens on.
type Listening struct {
	Service string
	Setting string // the setting that says so, such as pop3.listen_tls
	TLS     bool   // implicit
	Address string // host:port, with the port that was picked for 0

	configured string
	socket     supervisor.Socket
}

func sameSockets(a, b []Listening) bool {
	return slices.EqualFunc(a, b, func(x, y Listening) bool {
		return x.Setting == y.Setting && x.configured == y.configured
	})
}
