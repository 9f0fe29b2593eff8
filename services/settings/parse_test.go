package settings

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// What a person gets for a bad file, word for word.
func TestRefused(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 100)
	var many strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&many, "[[provider]]\nhost='p%d.example'\n", i)
	}
	for _, c := range []struct{ name, file, want string }{
		{"line 7", `# our box

[appliance]
name = "mail.example.org"

[pop3]
plaintext_login = "sometimes"
`, `postroom.toml:7: pop3.plaintext_login: "sometimes" is not one of never, trusted, always`},
		{"everything at once", `[fetch]
schedule = "5"
parallel = 0
[pop3]
hold = "1h"
plaintext_login = "allways"
[fetsh]
[enrol]
networks = [
  "10.0.0.0/8",
  "192.168.1.5/24",
]
`, `postroom.toml:2: fetch.schedule: "5" is not a duration; it has no unit: write "5s", "5m" or "5h"
postroom.toml:3: fetch.parallel: 0 is not in 1 to 1000
postroom.toml:5: pop3.hold: "1h" is more than 5m; write 1s to 5m
postroom.toml:6: pop3.plaintext_login: "allways" is not one of never, trusted, always; did you mean "always"?
postroom.toml:7: [fetsh]: there is no such section; did you mean [fetch]?
postroom.toml:11: enrol.networks: "192.168.1.5/24" names a machine in the network 192.168.1.0/24; write "192.168.1.0/24", or for the machine alone "192.168.1.5/32"`},

		// names
		{"near", "[pop3]\nlisten_tsl = []", `postroom.toml:2: pop3.listen_tsl: there is no such setting; did you mean "listen_tls"?`},
		{"capitals", "[pop3]\nListen = []", `postroom.toml:2: pop3.Listen: there is no such setting; did you mean "listen"?`},
		{"elsewhere", "[pop3]\nschedule = '5m'", `postroom.toml:2: pop3.schedule: there is no such setting; there is schedule in [fetch]`},
		{"far", "[console]\ncolour = 1", `postroom.toml:2: console.colour: there is no such setting; [console] has listen`},
		{"outside", "licences = 5", `postroom.toml:1: licences: there is no such setting; there is licences in [users]`},
		{"outside and unknown", "colour = 5", `postroom.toml:1: colour: there is no such setting; a setting stands below the [section] that it belongs to`},
		{"plural", "[[providers]]\nhost='x'", `postroom.toml:1: [[providers]]: there is no such section; did you mean [[provider]]?`},
		{"far section", "[imaps]\nx=1", `postroom.toml:1: [imaps]: there is no such section`},
		{"single brackets", "[provider]\nhost='p.example'", `postroom.toml:1: [provider]: each of these is a block of its own; write [[provider]] above each block`},
		{"single brackets later", "[[provider]]\nhost='p.example'\n[provider]\nhost='q.example'", `postroom.toml:3: [provider]: each of these is a block of its own; write [[provider]]`},
		{"double brackets", "[[pop3]]\nlisten=[]", `postroom.toml:1: [pop3]: is a list of blocks where a section is wanted; write [pop3] on a line of its own, and its settings below`},
		{"section as text", "pop3 = 'x'", `postroom.toml:1: [pop3]: is text where a section is wanted; write [pop3] on a line of its own, and its settings below`},
		{"block as text", "provider = 'x'", `postroom.toml:1: [[provider]]: is text where blocks are wanted; write [[provider]] above each block`},
		{"block of texts", "provider = ['x']", `postroom.toml:1: [[provider]]: is text where a block is wanted; write [[provider]] above each block`},
		{"long name", "[pop3]\n" + long + " = 1", `postroom.toml:2: pop3."` + long[:60] + `…": there is no such setting; [pop3] has listen, listen_tls, plaintext_login, delivery, hold, retrieved, keep_retrieved, failed_logins_per_minute, max_connections, max_connections_per_address`},
		{"table in a setting", "[pop3.listen]\nx = 1", `postroom.toml:1: pop3.listen: is a section where a list is wanted`},

		// twice
		{"setting twice", "[fetch]\nparallel = 1\n\nparallel = 2", `postroom.toml:4: fetch.parallel: is set twice: first on line 2`},
		{"section twice", "[fetch]\nparallel = 1\n[pop3]\n[fetch]\nschedule='5m'", `postroom.toml:4: [fetch]: is set twice: first on line 1`},
		{"whole path", "[pop3]\nhold='1s'\npop3.hold='2s'", "postroom.toml:3: pop3.pop3: there is no such setting; below [pop3] its settings stand without \"pop3.\""},
		{"twice in a block", "provider = [{host = 'p.example', host = 'q.example'}]", `postroom.toml:1: provider.host: is set twice: first on line 1`},
		{"dotted and section", "fetch.parallel = 1\n[fetch]\nschedule='5m'", `postroom.toml:2: this is not TOML: table fetch already exists as defined by a dotted key`},
		{"provider twice", "[[provider]]\nhost='p.example'\n[[provider]]\nhost='P.example.'", `postroom.toml:4: provider.host: "p.example" has a block already: on line 2`},
		{"network twice", "[[trusted_network]]\nname='o'\ncidr='10.0.0.0/8'\n[[trusted_network]]\nname='o'\ncidr='11.0.0.0/8'", `postroom.toml:5: trusted_network.name: "o" has a block already: on line 2`},
		{"in a list twice", "[enrol]\nnetworks = ['10.0.0.0/8',\n'::ffff:10.0.0.0/104']", `postroom.toml:3: enrol.networks: "10.0.0.0/8" is in the list twice`},

		// kinds of values
		{"number for text", "[fetch]\nschedule = 300", `postroom.toml:2: fetch.schedule: is a number where text is wanted`},
		{"text for number", "[fetch]\nparallel = '8'", `postroom.toml:2: fetch.parallel: is text where a number is wanted; write 8, without quotes`},
		{"fraction", "[fetch]\nparallel = 1.5", `postroom.toml:2: fetch.parallel: is a fraction or a date where a whole number is wanted`},
		{"huge number", "[fetch]\nparallel = 99999999999999999999999", `postroom.toml:2: fetch.parallel: 99999999999999999999… is not in 1 to 1000`},
		{"text for list", "[console]\nlisten = ':443'", `postroom.toml:2: console.listen: is text where a list is wanted; write [":443"]`},
		{"number in list", "[console]\nlisten = [443]", `postroom.toml:2: console.listen: holds a number where text is wanted`},
		{"long list", "[network]\ndns = [" + strings.Repeat("'x',", 257) + "]", `postroom.toml:2: network.dns: has 257 entries; at most 256`},

		// syntax
		{"no quotes", "[fetch]\nschedule = 5m\nparallel = 0", "postroom.toml:2: this is not TOML: strings must be quoted; write \"…\"\npostroom.toml:3: fetch.parallel: 0 is not in 1 to 1000"},
		{"no comma", "[enrol]\nnetworks = [\n '10.0.0.0/8'\n '11.0.0.0/8'\n]\nproviders = 'all'\n",
			"postroom.toml:4: this is not TOML: expected ',' or ']' after array value; it belongs to what begins on line 2\npostroom.toml:6: enrol.providers: \"all\" is not one of public, listed"},
		{"list not closed", "[pop3]\nlisten = [':110'\nlisten_tls = [':99999']\n",
			"postroom.toml:3: this is not TOML: expected ',' or ']' after array value; it belongs to what begins on line 2\npostroom.toml:3: pop3.listen_tls: \":99999\" has no port from 0 to 65535"},
		{"bad header", "[pop3\nhold = 'x'\n[fetch]\nparallel = 0\n", "postroom.toml:1: this is not TOML: expected ']' to close table name\npostroom.toml:4: fetch.parallel: 0 is not in 1 to 1000"},
		{"bad header of blocks", "[[provider]\nhost = 'x'\n\n", "postroom.toml:1: this is not TOML: expected ']]' to close array table name"},
		{"word", "[pop3]\ndelivery = next-poll", `postroom.toml:2: this is not TOML: expected keyword "nan"; write text in quotes: "…"`},
		{"backslash", `users.pseudo_domain = "a\g"`, `postroom.toml:1: this is not TOML: invalid escape character U+0067 'g'; write \\ for a backslash in a text`},
		{"not UTF-8", "[appliance]\nname = \"M\xfcller\"", `postroom.toml:2: this is not UTF-8 text; save the file as UTF-8`},
		{"another file", "hello world", `postroom.toml:1: this is not TOML: expected '=' after key`},
		{"too large", strings.Repeat("# 456789\n", 1<<20/9+1), `postroom.toml:116509: the file is 1048581 octets long; at most 1048576`},
		{"grows too large", many.String(), fmt.Sprintf("postroom.toml: written out in full these settings are %d octets long; at most 1048576", 1_248_890+10_000*len("submission = \"\"\n")+len(Default().Encode()))},
		{"empty block", "[[trusted_network]]\nname=''", "postroom.toml:1: trusted_network.cidr: is missing: every [[trusted_network]] needs one; write for example cidr = \"192.168.1.0/24\"\npostroom.toml:2: trusted_network.name: is empty; write what you call it, such as \"office\""},

		// policies
		{"delivery unknown", "[pop3]\ndelivery = 'next-pole'", `postroom.toml:2: pop3.delivery: "next-pole" is not one of next-poll, same-poll; did you mean "next-poll"?`},
		{"retrieved after days", "[pop3]\nretrieved = '30d'", `postroom.toml:2: pop3.retrieved: "30d" is not a duration; write days in hours: "720h"`},
		{"retrieved after no time", "[pop3]\nretrieved = '0s'", `postroom.toml:2: pop3.retrieved: "0s" is less than 1h; write 1h to 87600h`},
		{"retrieved unknown", "[pop3]\nretrieved = 'now'", `postroom.toml:2: pop3.retrieved: "now" is not one of expire, until-dele; write "expire", "until-dele", or a time such as "336h"`},

		// durations
		{"days", "[pop3]\nkeep_retrieved = '14d'", `postroom.toml:2: pop3.keep_retrieved: "14d" is not a duration; write days in hours: "336h"`},
		{"words", "[pop3]\nhold = 'long'", `postroom.toml:2: pop3.hold: "long" is not a duration; write a number with its unit (s, m, h), such as "90s", "5m" or "336h"`},
		{"negative", "[pop3]\nkeep_retrieved = '-1h'", `postroom.toml:2: pop3.keep_retrieved: "-1h" is less than 0s; write 0s to 87600h`},
		{"schedule too short", "[fetch]\nschedule = '5s'", `postroom.toml:2: fetch.schedule: "5s" is less than 10s; write "0s" for none, or 10s to 720h`},

		{"longest retry before the first", "[fetch]\nretry_first = '1m'\nretry_longest = '59s'", `postroom.toml:3: fetch.retry_longest: "59s" is less than fetch.retry_first, which is 1m; write 1m or more`},
		{"first retry behind the longest", "[fetch]\nretry_first = '1h'\nretry_longest = '2h'\nparallel = 0", `postroom.toml:4: fetch.parallel: 0 is not in 1 to 1000`},
		{"longest retry by default", "[fetch]\nretry_longest = '10s'", `postroom.toml:2: fetch.retry_longest: "10s" is less than fetch.retry_first, which is 30s; write 30s or more`},

		// deletion at the provider
		{"delete in a word", "[[provider]]\nhost='p.example'\ndelete = 'nevr'", `postroom.toml:3: provider.delete: "nevr" is not one of at-once, never; did you mean "never"?`},
		{"delete in another word", "[[provider]]\nhost='p.example'\ndelete = 'later'", `postroom.toml:3: provider.delete: "later" is not one of at-once, never; write "at-once", "never", or a time such as "336h"`},
		{"delete after days", "[[provider]]\nhost='p.example'\ndelete = '14d'", `postroom.toml:3: provider.delete: "14d" is not a duration; write days in hours: "336h"`},
		{"delete after no time", "[[provider]]\nhost='p.example'\ndelete = '0s'", `postroom.toml:3: provider.delete: "0s" is less than 1m; write 1m to 87600h`},
		{"delete before it came", "[[provider]]\nhost='p.example'\ndelete = '-1ns'", `postroom.toml:3: provider.delete: "-1ns" is less than 1m; write 1m to 87600h`},

		// sizes
		{"size without unit", "[fetch]\nmax_size = '100'", `postroom.toml:2: fetch.max_size: "100" is not a size; it has no unit: write "100KiB", "100MiB" or "100GiB"`},
		{"size as a number", "[fetch]\nmax_size = 104857600", `postroom.toml:2: fetch.max_size: is a number where text is wanted`},
		{"size in MB", "[fetch]\nmax_size = '100 MB'", `postroom.toml:2: fetch.max_size: "100 MB" is not a size; write "100MiB": 1 MiB is 1,048,576 octets`},
		{"size in small letters", "[fetch]\nmax_size = '2gib'", `postroom.toml:2: fetch.max_size: "2gib" is not a size; write "2GiB": 1 MiB is 1,048,576 octets`},
		{"size in another unit", "[fetch]\nmax_size = '2TiB'", `postroom.toml:2: fetch.max_size: "2TiB" is not a size; its unit is none of KiB, MiB, GiB`},
		{"size with a fraction", "[fetch]\nmax_size = '1.5MiB'", `postroom.toml:2: fetch.max_size: "1.5MiB" is not a size; write a whole number, in a smaller unit: "1536KiB" for 1.5 MiB`},
		{"size in words", "[fetch]\nmax_size = 'huge'", `postroom.toml:2: fetch.max_size: "huge" is not a size; write a whole number with its unit (KiB, MiB, GiB), such as "500KiB" or "100MiB"`},
		{"size too small", "[fetch]\nmax_size = '63KiB'", `postroom.toml:2: fetch.max_size: "63KiB" is less than 64KiB; write 64KiB to 1GiB`},
		{"size too large", "[fetch]\nmax_size = '1025MiB'", `postroom.toml:2: fetch.max_size: "1025MiB" is more than 1GiB; write 64KiB to 1GiB`},
		{"size beyond numbers", "[fetch]\nmax_size = '99999999999999999999GiB'", `postroom.toml:2: fetch.max_size: "99999999999999999999GiB" is more than 1GiB; write 64KiB to 1GiB`},

		// hosts
		{"name", "[appliance]\nname = 'our box'", `postroom.toml:2: appliance.name: "our box" is not a host name`},
		{"name as address", "[appliance]\nname = '192.168.1.5'", `postroom.toml:2: appliance.name: "192.168.1.5" is an address where a name is wanted`},
		{"empty name", "[appliance]\nname = ''", `postroom.toml:2: appliance.name: is empty; write a host name`},
		{"long host name", "[appliance]\nname = '" + long[:50] + "." + long[:50] + "'", `postroom.toml:2: appliance.name: "` + long[:50] + "." + long[:9] + `…" is longer than 64 characters`},
		{"long label", "[appliance]\nname = '" + long + "'", `postroom.toml:2: appliance.name: "` + long[:60] + `…" is not a host name`},
		{"hyphen", "[users]\npseudo_domain = '-x.example'", `postroom.toml:2: users.pseudo_domain: "-x.example" is not a host name`},
		{"account for provider", "[[provider]]\nhost='me@p.example'", `postroom.toml:2: provider.host: "me@p.example" is not a host name; write the host alone, such as "pop3.example.org"`},
		{"port at provider", "[[provider]]\nhost='p.example:995'", `postroom.toml:2: provider.host: "p.example:995" is not a host name; write the host without a port`},
		{"brackets", "[[provider]]\nhost='[::1]'", `postroom.toml:2: provider.host: "[::1]" is not a host name; write an address without brackets: "::1"`},
		{"almost an address", "[[provider]]\nhost='192.168.1.256'", `postroom.toml:2: provider.host: "192.168.1.256" is not a host name; it ends in a number, as an address does, and is none`},
		{"zone of an address", "[[provider]]\nhost='fe80::1%eth0'", `postroom.toml:2: provider.host: "fe80::1%eth0" has a zone, which means nothing on another machine`},
		{"no host", "[[provider]]\ntls='none'", `postroom.toml:1: provider.host: is missing: every [[provider]] needs one; write for example host = "pop3.example.org"`},
		{"time zone", "[appliance]\nzone = 'Berlin'", `postroom.toml:2: appliance.zone: "Berlin" is not a time zone; write "UTC", or a name such as "Europe/Berlin"`},
		{"local time", "[appliance]\nzone = 'Local'", `postroom.toml:2: appliance.zone: "Local" is not a time zone; write "UTC", or a name such as "Europe/Berlin"`},

		// network
		{"no gateway", "[network]\naddress = '192.168.1.5/24'", `postroom.toml:2: network.gateway: is missing: a fixed network.address needs its gateway; write the address of your router`},
		{"gateway outside", "[network]\naddress = '192.168.1.5/24'\ngateway = '192.168.2.1'", `postroom.toml:3: network.gateway: "192.168.2.1" is not in the network of network.address, 192.168.1.0/24`},
		{"gateway itself", "[network]\naddress = '192.168.1.5/24'\ngateway = '192.168.1.5'", `postroom.toml:3: network.gateway: "192.168.1.5" is the box's own address; write the address of your router`},
		{"gateway with dhcp", "[network]\ngateway = '192.168.1.1'", `postroom.toml:2: network.gateway: is only for a fixed network.address; with "dhcp" the gateway comes from there; leave it out, or give network.address`},
		{"gateway unreadable", "[network]\naddress = '192.168.1.5/24'\ngateway = 'router'", `postroom.toml:3: network.gateway: "router" is not an address of a machine; write it as "192.168.1.1"`},
		{"no length", "[network]\naddress = '192.168.1.5'", `postroom.toml:2: network.address: "192.168.1.5" is neither "dhcp" nor an address with the length of its network; the length is missing: write for example "192.168.1.5/24"`},
		{"address of the network", "[network]\naddress = '192.168.1.0/24'\ngateway='192.168.1.1'", `postroom.toml:2: network.address: "192.168.1.0/24" is not an address of one machine: it is the first or last of its network`},
		{"broadcast", "[network]\naddress = '10.1.255.255/16'\ngateway='10.1.0.1'", `postroom.toml:2: network.address: "10.1.255.255/16" is not an address of one machine: it is the first or last of its network`},
		{"name server", "[network]\ndns = ['192.168.1.1:0']", `postroom.toml:2: network.dns: "192.168.1.1:0" has no port from 1 to 65535`},
		{"no CIDR", "[enrol]\nnetworks = ['192.168.1.5']", `postroom.toml:2: enrol.networks: "192.168.1.5" is not in CIDR notation; write "192.168.1.5/32" for that machine alone`},
		{"a range", "[enrol]\nnetworks = ['192.168.1.1-9']", `postroom.toml:2: enrol.networks: "192.168.1.1-9" is not in CIDR notation; write an address, "/" and the length of the network, such as "192.168.1.0/24"`},

		// sockets
		{"port alone", "[pop3]\nlisten = ['110']", `postroom.toml:2: pop3.listen: "110" is not host:port; write ":110"`},
		{"IPv6 without brackets", "[pop3]\nlisten = ['::1']", `postroom.toml:2: pop3.listen: "::1" is not host:port; put an IPv6 address in brackets, its port behind them`},
		{"port by name", "[pop3]\nlisten = [':pop3']", `postroom.toml:2: pop3.listen: ":pop3" has no port from 0 to 65535`},
		{"taken", "[pop3]\nlisten = [':995']", `postroom.toml:2: pop3.listen: ":995" is taken by pop3.listen_tls, which has ":995"`},
		{"taken by everywhere", "[console]\nlisten = ['127.0.0.1:8443',\n'127.0.0.1:110']", `postroom.toml:3: console.listen: "127.0.0.1:110" is taken by pop3.listen, which has ":110"`},
		{"nowhere", "[pop3]\nlisten = []\nlisten_tls = []", `postroom.toml:3: pop3.listen_tls: is empty, and so is pop3.listen: no client could collect its mail; write for example [":995"]`},

		// provider
		{"private host", "[[provider]]\nhost='192.168.1.20'", `postroom.toml:2: provider.address: is missing: the host "192.168.1.20" is a private address, and only provider.address leads to one; write for example address = "192.168.1.20:995"`},
		{"address by name", "[[provider]]\nhost='p.example'\naddress='mail:995'", `postroom.toml:3: provider.address: "mail:995" is not an address with a port; write it as "10.0.2.100:995"`},
		{"address without port", "[[provider]]\nhost='p.example'\naddress='10.0.2.100'", `postroom.toml:3: provider.address: "10.0.2.100" is not host:port`},
		{"port 0", "[[provider]]\nhost='p.example'\nports=[0]", `postroom.toml:3: provider.ports: 0 is not a port; write 1 to 65535`},
		{"quoted port", "[[provider]]\nhost='p.example'\nports=['2110']", `postroom.toml:3: provider.ports: "2110" is not a range of ports; write 2110, without quotes`},
		{"range backwards", "[[provider]]\nhost='p.example'\nports=['2-1']", `postroom.toml:3: provider.ports: "2-1" is not a range of ports; write it as "1024-65535"`},
		{"port twice", "[[provider]]\nhost='p.example'\nports=['1024-65535', 2110]", `postroom.toml:3: provider.ports: 2110 is in "1024-65535" already`},
		{"tls mode", "[[provider]]\nhost='p.example'\ntls='starttls'", `postroom.toml:3: provider.tls: "starttls" is not one of implicit, stls, none`},
		{"in the second block", "[[provider]]\nhost='p.example'\n\n[[provider]]\nhost='q.example'\nmin_interval='1w'", `postroom.toml:6: provider.min_interval: "1w" is not a duration; write a number with its unit (s, m, h), such as "90s", "5m" or "336h"`},
		{"inline block", "provider = [\n {host='p.example'},\n {host='q.example', tls='x'} ]", `postroom.toml:3: provider.tls: "x" is not one of implicit, stls, none`},
	} {
		s, err := Parse("postroom.toml", []byte(c.file))
		if err == nil || err.Error() != c.want {
			t.Errorf("%s: got\n%v\nwant\n%s", c.name, err, c.want)
		}
		if s != nil {
			t.Errorf("%s: settings beside the error", c.name)
		}
	}
}

func TestProblemHasItsParts(t *testing.T) {
	t.Parallel()
	_, err := Parse("f.toml", []byte("[pop3]\nhold = '1h'\n"))
	invalid, ok := errors.AsType[*Invalid](err)
	if !ok {
		t.Fatalf("got %T", err)
	}
	want := Problem{File: "f.toml", Line: 2, Path: "pop3.hold", Wrong: `"1h" is more than 5m`, Right: "write 1s to 5m"}
	if len(invalid.Problems) != 1 || invalid.Problems[0] != want {
		t.Errorf("got %+v, want %+v", invalid.Problems, want)
	}
}

func TestProblemsAreBounded(t *testing.T) {
	t.Parallel()
	var file strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&file, "name%d = [\n", i)
	}
	for _, text := range []string{
		file.String(), "[fetch]\n" + strings.Repeat("a=[[[1]]]\n", 100_000), strings.Repeat("[x]\n", 250_000), strings.ReplaceAll(file.String(), "[", "1"), strings.Repeat("[[provider]]\n", 5000),
	} {
		_, err := Parse("f", []byte(text))
		if invalid, ok := errors.AsType[*Invalid](err); !ok || len(invalid.Problems) > maxProblems {
			t.Errorf("%.30q…: %d problems", text, len(invalid.Problems))
		}
	}
}

func TestByteOrderMark(t *testing.T) {
	t.Parallel()
	s := mustParse(t, "\ufeff[fetch]\r\nparallel = 7\r\n")
	if s.Fetch.Parallel != 7 {
		t.Errorf("parallel %d, want 7", s.Fetch.Parallel)
	}
	_, err := Parse("f", []byte("\ufeff[fetch]\r\nparallel = 0\r\n"))
	if want := "f:2: fetch.parallel: 0 is not in 1 to 1000"; fmt.Sprint(err) != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
