package fetcher

import (
	"context"
	"log/slog"
	"net/netip"
	"testing"

	"postroom/services/contract"
	"postroom/services/fetcher/provider"
	"postroom/services/mail"
	"postroom/services/settings"
	"postroom/services/wire"
)

// The list of providers is for new accounts: a known one's login is tried where it always was, by all other rules.
func TestVerifyAKnownAccountAtAProviderThatIsNotListed(t *testing.T) {
	t.Parallel()
	inside := func(context.Context, string) ([]netip.Addr, error) {
		return []netip.Addr{netip.MustParseAddr("10.0.0.1")}, nil
	}
	s := newService(nil, provider.Dialer{Resolve: inside}, slog.New(slog.DiscardHandler))
	listed := *settings.Default()
	listed.Enrol.Providers = settings.ProvidersListed
	s.settings.Store(&listed)
	for known, want := range map[bool]string{
		false: `"pop.example.org" is not among the providers that are allowed here`,
		true:  `"pop.example.org" has the address 10.0.0.1, which is not a public one: only a provider block with "address" leads there`,
	} {
		name := mail.Name{Login: "u", Host: "pop.example.org"}
		verified, text := verdict(name.Host, s.tryLogin(t.Context(), name, known, wire.NewSecret("p")))
		if verified != contract.Verified_VERIFIED_NOT_ALLOWED || text != want {
			t.Errorf("known %t: got %v %q, want %q", known, verified, text, want)
		}
	}
}
