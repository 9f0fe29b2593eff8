package wire

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"strings"
)

const masked = "[secret]"

// Secret is a password or another secret, made where it is read from the wire and revealed
// only where it is sent or checked. However it is printed, logged or encoded it reads
// [secret]; it is a pointer inside because fmt prints an unexported field raw.
//
// Two are compared with Equal; == compares where they are kept.
type Secret struct{ p *string }

// NewSecret keeps s; of "" it gives the zero Secret.
func NewSecret(s string) Secret {
	if s == "" {
		return Secret{}
	}
	return Secret{&s}
}

// Reveal gives the secret itself, of a zero Secret "".
func (s Secret) Reveal() string {
	if s.p == nil {
		return ""
	}
	return *s.p
}

// Equal tells whether both are the same, in a time that doesn't depend on where they differ.
func (s Secret) Equal(t Secret) bool {
	a, b := sha256.Sum256([]byte(s.Reveal())), sha256.Sum256([]byte(t.Reveal()))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// IsZero tells whether there is no secret, or an empty one.
func (s Secret) IsZero() bool { return s.Reveal() == "" }

var inBase64 = regexp.MustCompile(`[A-Za-z0-9+/]{4,}=*`)

// Mask gives a text without the secret: some servers say again what they refuse. It's found as it stands, and in base64, alone or with
// more, as SASL PLAIN and LOGIN send it (RFC 4616 §2). Of a zero Secret it gives the text.
func (s Secret) Mask(text string) string {
	if s.IsZero() {
		return text
	}
	text = strings.ReplaceAll(text, s.Reveal(), masked)
	return inBase64.ReplaceAllStringFunc(text, func(word string) string {
		decoded, _ := base64.RawStdEncoding.DecodeString(strings.TrimRight(word, "=")) // what could be decoded
		if strings.Contains(string(decoded), s.Reveal()) {
			return masked
		}
		return word
	})
}

// String gives [secret].
func (s Secret) String() string { return masked }

// Format writes [secret] for every verb and flag.
func (s Secret) Format(f fmt.State, verb rune) { io.WriteString(f, masked) }

// LogValue gives [secret].
func (s Secret) LogValue() slog.Value { return slog.StringValue(masked) }

// MarshalText gives [secret], for JSON and TOML too.
func (s Secret) MarshalText() ([]byte, error) { return []byte(masked), nil }
