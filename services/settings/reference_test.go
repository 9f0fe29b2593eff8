package settings

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

func TestReferenceIsFresh(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/settings.md")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(page, Reference()) {
		t.Error("docs/settings.md is not what the code says: run go generate ./services/settings")
	}
}

func TestReferenceHasEverything(t *testing.T) {
	t.Parallel()
	for _, s := range catalogue() {
		if strings.TrimSpace(s.doc) == "" {
			t.Errorf("%s has no words", s.title())
		}
		for _, one := range s.settings {
			if strings.TrimSpace(one.doc) == "" || one.example == "" || one.value.values() == "" {
				t.Errorf("%s.%s has no words, example or values", s.name, one.name)
			}
		}
	}
}

// needed says what an example stands beside, besides what its block needs: a fixed address with its gateway, a relay.
func needed(section, name, other string) bool {
	switch section {
	case "network":
		return other != "dns" && name != "dns"
	case "transport_rule":
		return other == "relay"
	}
	return false
}

func TestExamplesAreGood(t *testing.T) {
	t.Parallel()
	mustParse(t, exampleFile)
	for _, s := range catalogue() {
		for _, one := range s.settings {
			if strings.HasPrefix(one.example, `"""`) { // a PEM text with its middle left out
				continue
			}
			file := s.title() + "\n"
			for _, other := range s.settings {
				if other.name != one.name && (other.required || needed(s.name, one.name, other.name)) {
					file += other.name + " = " + other.example + "\n"
				}
			}
			mustParse(t, file+one.name+" = "+one.example+"\n")
		}
	}
}

// Each name in a text becomes the link to its own setting, also where another one's name is its beginning.
func TestProse(t *testing.T) {
	t.Parallel()
	want := "[`pop3.max_connections_per_address`](#pop3max_connections_per_address)\n[`pop3.max_connections`](#pop3max_connections), " +
		"[`fetch.retry_first`](#fetchretry_first)"
	if got := prose("pop3.max_connections_per_address pop3.max_connections, fetch.retry_first"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
