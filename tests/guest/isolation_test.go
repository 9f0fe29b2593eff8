//go:build guest

package guest

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"postroom/services/contract"
	"postroom/tests/hosted"
)

const segment, notes, index = "/data/store/bodies/00000001.seg", "/data/store/notes/00000001.log", "/data/store/index.db"

// allowed is all that a service may do of what is probed; the probes are tests/guest/probe's.
var allowed = map[string][]string{
	"store": {
		"read " + segment, "write " + segment, "truncate " + segment,
		"read " + notes, "write " + notes, "truncate " + notes,
		"read " + index, "write " + index, "truncate " + index,
		"read /run/key/machine.key",
		"make-in /data/store", "make-in /data/store/notes", "make-in /data/store/bodies",
	},
	"pop3":      {"read " + segment, "connect /run/postroom/pop3.sock"},
	"smtp":      {"read " + segment, "read /etc/resolv.conf", "connect /run/postroom/smtp.sock"},
	"fetcher":   {"read /etc/resolv.conf", "connect /run/postroom/fetcher.sock"},
	"validator": {"read " + segment, "connect /run/postroom/validator.sock"},
	"console":   {"read /run/console/client-keys.pem", "connect /run/postroom/console.sock"},
}

// program is what all of them may: it is what they run.
const program = "read /bin/postroom"

// ids are the user and the supplementary groups of each service.
var ids = map[string]struct {
	uid    int
	groups string
}{
	"store": {100, "110"}, "pop3": {101, "110"}, "smtp": {104, "110"}, "fetcher": {102, ""}, "validator": {103, "110"}, "console": {105, ""},
}

// TestIsolation has each service try, from within its confinement, what is another's.
func TestIsolation(t *testing.T) {
	p := hosted.Provider(t)
	b := newBox(t, probeImage, p)
	b.up()
	// A mail makes the store's files; the probes that count are those of the second boot.
	if err := p.Fill(hosted.WebUser, batch(0)[:3]); err != nil {
		t.Fatal(err)
	}
	poll(t, b, func(hosted.Mail) {})
	b.until("validated mail", func(s *contract.GetStatusResponse) bool { return hosted.Waiting(hosted.WebName, 3)(s) })
	b.down()
	b.up()
	b.wait("readback whole")
	output := b.Output()
	// Mail goes its way in spite of all that is refused.
	got := 0
	poll(t, b, func(hosted.Mail) { got++ })
	if got != 3 {
		t.Errorf("%d mails came, want 3", got)
	}

	t.Run("probes", func(t *testing.T) { checkProbes(t, output) })
	t.Run("read back", func(t *testing.T) { checkReadBack(t, output) })
	if problems := regexp.MustCompile(`(?m)^readback stat.*$`).FindAllString(output, -1); problems != nil {
		t.Errorf("files that were to be probed are not there: %q", problems)
	}
	b.down()
}

func checkProbes(t *testing.T, output string) {
	found := regexp.MustCompile(`(?m)^probe (\S+) (\S+ \S+): (.*?)\r?$`).FindAllStringSubmatch(output, -1)
	count := make(map[string]int)
	for _, m := range found {
		service, what, result := m[1], m[2], m[3]
		count[service]++
		may := what == program || slices.Contains(allowed[service], what)
		refused := result == "permission denied" || result == "operation not permitted"
		if may && result != "allowed" || !may && !refused {
			t.Errorf("%s: %s: %s; may it: %v", service, what, result, may)
		}
	}
	for service := range allowed {
		if count[service] < 60 {
			t.Errorf("%s told of %d probes only", service, count[service])
		}
	}
}

func checkReadBack(t *testing.T, output string) {
	for service, want := range ids {
		line := regexp.MustCompile(`(?m)^readback ` + service + ` (.*?)\r?$`).FindString(output)
		t.Log(line)
		none := strings.Repeat("0", 16)
		for _, part := range []string{
			fmt.Sprintf(" Uid=%[1]d,%[1]d,%[1]d,%[1]d Gid=%[1]d,%[1]d,%[1]d,%[1]d Groups=%[2]s ", want.uid, want.groups),
			" CapInh=" + none + " CapPrm=" + none + " CapEff=" + none + " CapBnd=" + none + " CapAmb=" + none + " NoNewPrivs=1 ",
			" memory.oom.group=1 pids.max=256 open.files=16384,16384",
		} {
			if !strings.Contains(line, part) {
				t.Errorf("%s: %q is not in %q", service, part, line)
			}
		}
		if !regexp.MustCompile(` memory\.max=[1-9][0-9]{2}MiB `).MatchString(line) {
			t.Errorf("%s has no limit of memory: %q", service, line)
		}
	}
}
