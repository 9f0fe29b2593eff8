package api

import (
	"errors"
	"fmt"
	"net/http"
	"testing"

	"postroom/services/contract"
)

func TestStatuses(t *testing.T) {
	t.Parallel()
	for _, s := range statuses {
		sent := fmt.Errorf("account %q: %w", "a@b", s.err)
		got := fromStatus(Status(sent), sent.Error())
		if !errors.Is(got, s.err) || got.Error() != sent.Error() {
			t.Errorf("%v came back as %v", sent, got)
		}
		for _, other := range statuses {
			if other.err != s.err && errors.Is(got, other.err) {
				t.Errorf("%v came back as %v too", s.err, other.err)
			}
		}
	}
	for _, err := range []error{errors.New("bucket is gone"), contract.ErrDamaged} {
		if got := Status(err); got != http.StatusInternalServerError {
			t.Errorf("%v: got %d", err, got)
		}
	}
}

func TestWithPort(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ host, want string }{
		{"box", "box:443"},
		{"Box.Example.ORG", "box.example.org:443"},
		{"box:8443", "box:8443"},
		{"127.0.0.1", "127.0.0.1:443"},
		{"127.0.0.1:8443", "127.0.0.1:8443"},
		{"::1", "[::1]:443"},
		{"[::1]", "[::1]:443"},
		{"[::1]:8443", "[::1]:8443"},
		{"", ""},
		{":8443", ""},
		{"box:", ""},
		{"box:0", ""},
		{"box:https", ""},
		{"box:70000", ""},
		{"a:b:c", ""},
		{"https://box", ""},
		{"box/v1", ""},
		{"me@box", ""},
	} {
		got, err := WithPort(test.host)
		if got != test.want || (err == nil) != (test.want != "") {
			t.Errorf("%q: got %q, %v; want %q", test.host, got, err, test.want)
		}
	}
}
