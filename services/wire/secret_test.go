package wire_test

import (
	"bytes"
	"encoding/base64"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"postroom/services/wire"
)

func TestSecretIsMasked(t *testing.T) {
	t.Parallel()
	const clear = "hunter2-marked"
	s := wire.NewSecret(clear)
	inner := struct {
		Shown  wire.Secret
		hidden wire.Secret
		ptr    *wire.Secret
	}{s, s, &s}

	var b bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%p", "%t", "%10s", "%-5v"} {
		fmt.Fprintf(&b, verb+"\n", s)
		fmt.Fprintf(&b, verb+"\n", &s)
		fmt.Fprintf(&b, verb+"\n", inner)
		fmt.Fprintf(&b, verb+"\n", []wire.Secret{s})
		fmt.Fprintf(&b, verb+"\n", map[string]any{"s": s})
	}
	for _, h := range []slog.Handler{slog.NewTextHandler(&b, nil), slog.NewJSONHandler(&b, nil)} {
		slog.New(h).Info("login", "secret", s, "inner", inner, slog.Group("g", "s", &s))
	}
	json.NewEncoder(&b).Encode(inner)
	xml.NewEncoder(&b).Encode(inner)
	gob.NewEncoder(&b).Encode(struct{ S wire.Secret }{s})
	fmt.Fprint(&b, s.String(), fmt.Errorf("log in with %w, %v", fmt.Errorf("%v", s), s))
	if at := strings.Index(b.String(), clear); at >= 0 {
		t.Errorf("the secret is shown: %q", b.String()[max(0, at-80):at+20])
	}
	for _, hex := range []string{fmt.Sprintf("%x", clear), fmt.Sprintf("%X", clear)} {
		if strings.Contains(b.String(), hex) {
			t.Errorf("the secret is shown in hexadecimal")
		}
	}
	if got := fmt.Sprintf("%v %+v %#v %s %q %d", s, s, s, s, s, s); got != strings.TrimSpace(strings.Repeat("[secret] ", 6)) {
		t.Errorf("got %q; want [secret] six times", got)
	}
	if got, err := json.Marshal(s); err != nil || string(got) != `"[secret]"` {
		t.Errorf("as JSON: got %s, %v", got, err)
	}
}

func TestSecret(t *testing.T) {
	t.Parallel()
	var zero wire.Secret
	a, b := wire.NewSecret("a"), wire.NewSecret("b")
	if a.Reveal() != "a" || zero.Reveal() != "" {
		t.Errorf("Reveal: got %q and %q; want a and nothing", a.Reveal(), zero.Reveal())
	}
	if !a.Equal(wire.NewSecret("a")) || a.Equal(b) || a.Equal(zero) || !zero.Equal(wire.NewSecret("")) {
		t.Errorf("Equal doesn't go by what is kept")
	}
	if a.IsZero() || !zero.IsZero() || !wire.NewSecret("").IsZero() {
		t.Errorf("IsZero doesn't go by what is kept")
	}
}

func TestMask(t *testing.T) {
	t.Parallel()
	const clear = "pass word=?"
	in := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
	for text, want := range map[string]string{
		"":                           "",
		"Authentication failed":      "Authentication failed",
		"no " + clear + ", " + clear: "no [secret], [secret]",
		"AUTH PLAIN " + in("\x00me\x00"+clear) + " is wrong": "AUTH PLAIN [secret] is wrong",
		"<" + in(clear) + ">":                                "<[secret]>",
		strings.TrimRight(in("12"+clear), "=") + "\n535 no":  "[secret]\n535 no",
		in("another"): in("another"),
	} {
		if got := wire.NewSecret(clear).Mask(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
		if got := (wire.Secret{}).Mask(text); got != text {
			t.Errorf("%q without a secret: %q", text, got)
		}
	}
}
