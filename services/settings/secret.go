package settings

import (
	"fmt"
	"log/slog"
)

// A Secret is text that no log, message or JSON shows. The zero value is no secret.
type Secret struct{ p *string }

// NewSecret keeps text; no text is no secret.
func NewSecret(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{&text}
}

// Reveal gives the text itself.
func (s Secret) Reveal() string {
	if s.p == nil {
		return ""
	}
	return *s.p
}

const masked = "[secret]"

// Format, LogValue and MarshalText all give [secret].
func (Secret) Format(f fmt.State, _ rune)   { fmt.Fprint(f, masked) }
func (Secret) LogValue() slog.Value         { return slog.StringValue(masked) }
func (Secret) MarshalText() ([]byte, error) { return []byte(masked), nil }
