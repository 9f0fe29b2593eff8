package settings

import "postroom/services/wire"

// A Secret is text that no log, message or JSON shows. The zero value is no secret.
type Secret = wire.Secret

// NewSecret keeps text; no text is no secret.
func NewSecret(text string) Secret { return wire.NewSecret(text) }

// masked is how a Secret is shown.
var masked = Secret{}.String()
