package supervisor

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestAddRefuses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, launcher, stop := supervise(t, Service{Name: "store"})
		for _, test := range []struct {
			service Service
			want    string
		}{
			{Service{}, "name"},
			{Service{Name: "confine"}, "name"},
			{Service{Name: "a/b"}, "name"},
			{Service{Name: "store"}, "there already"},
			{Service{Name: "pop3", After: []string{"stoer"}}, `"stoer", which is not there`},
			{Service{Name: "pop3", After: []string{"pop3"}}, `"pop3", which is not there`},
			{Service{Name: "pop3", Watchdog: -time.Second}, "negative"},
			{Service{Name: "pop3", GID: 5}, "without a uid"},
			{Service{Name: "pop3", Sockets: []Socket{{Name: "x"}}}, "not open"},
		} {
			if err := s.Add(t.Context(), test.service); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%+v: error %v, want %q", test.service, err, test.want)
			}
		}
		if err := s.WaitReady(t.Context(), "pop3"); err == nil {
			t.Error("waited for a service that is not there")
		}
		stop()
		launcher.last(t, "store").exit("exit status 0")
	})
}
