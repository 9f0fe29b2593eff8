package provider

import (
	"bytes"
	"os"
	"runtime"
	"text/template"
)

// configuration is all that Dovecot reads. Nothing is in the system's folders, no process has its root moved (an
// ordinary user may not), a refused login is answered within half a second always (no delay beside Dovecot's
// own tick, no penalty for the address), and no limit of sessions stands in the way of a load test.
var configuration = template.Must(template.New("dovecot.conf").Parse(`
protocols = pop3
instance_name = postroom-provider
base_dir = {{.Run}}
state_dir = {{.Dir}}/state
log_path = {{.Dir}}/log
auth_verbose = yes

default_internal_user = {{.Internal}}
default_internal_group = {{.Group}}
default_login_user = {{.Login}}
first_valid_uid = {{.UID}}
last_valid_uid = {{.UID}}
first_valid_gid = {{.GID}}
mail_max_userip_connections = 0
default_client_limit = 2000
default_process_limit = 1000
default_vsz_limit = 0

ssl = yes
ssl_cert = <{{.Dir}}/certificate.pem
ssl_key = <{{.Dir}}/key.pem
ssl_min_protocol = TLSv1.2
disable_plaintext_auth = no

auth_mechanisms = plain login
auth_failure_delay = 0
auth_username_chars =
auth_username_format = %u
passdb {
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {{.Dir}}/users/%u
}
userdb {
  driver = passwd-file
  args = username_format=%u {{.Dir}}/users/%u
}

mail_location = maildir:~/Maildir
pop3_uidl_format = %g
pop3_no_flag_updates = yes

service pop3-login {
  chroot =
  service_count = 0
  inet_listener pop3 {
    address = {{.Address}}
    port = {{.Port}}
  }
  inet_listener pop3s {
    address = {{.Address}}
    port = {{.PortTLS}}
    ssl = yes
  }
}
service anvil {
  chroot =
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
service stats {
  chroot =
}
{{- if .Tuned}}

# As Dovecot's documentation has it for speed: login processes that serve many (its high-performance mode), mail processes that
# serve one client after the other, all of them started before they are needed, and what was looked up kept.
service pop3-login {
  process_min_avail = {{.Processors}}
  client_limit = 4096
}
service pop3 {
  service_count = 10000
  process_min_avail = 16
  process_limit = 4096
}
service auth {
  client_limit = 16384
}
service anvil {
  client_limit = 16384
}
auth_cache_size = 64M
auth_cache_ttl = 1 hour
auth_verbose = no
info_log_path = /dev/null
pop3_fast_size_lookups = yes
pop3_lock_session = no
maildir_very_dirty_syncs = yes
{{- end}}
`))

// configure writes the configuration of a server whose sockets are in the folder run, and gives its name.
func (p *Provider) configure(run string) (string, error) {
	var text bytes.Buffer
	o := p.owner
	err := configuration.Execute(&text, map[string]any{
		"Dir": p.dir, "Run": run, "Internal": o.internal, "Group": o.group, "Login": o.login, "UID": o.mailUID, "GID": o.mailGID,
		"Address": p.cfg.Address, "Port": p.cfg.Port, "PortTLS": p.cfg.PortTLS,
		"Tuned": p.cfg.Tuned, "Processors": runtime.NumCPU(),
	})
	if err != nil {
		return "", err
	}
	name := p.path("dovecot.conf")
	return name, os.WriteFile(name, text.Bytes(), 0o644)
}
