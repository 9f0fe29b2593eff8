package contract

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"google.golang.org/grpc/status"
)

func TestErrorsCrossTheBorder(t *testing.T) {
	t.Parallel()
	for _, k := range kinds {
		sent := fmt.Errorf("put 3 of account %q: %w", "a@b", k.err)
		got := FromStatus(ToStatus(sent))
		if !errors.Is(got, k.err) {
			t.Errorf("%v: errors.Is is lost: got %#v", k.err, got)
		}
		if got.Error() != sent.Error() {
			t.Errorf("text: got %q, want %q", got, sent)
		}
		for _, other := range kinds {
			if other.err != k.err && errors.Is(got, other.err) {
				t.Errorf("%v came over as %v too", k.err, other.err)
			}
		}
	}
}

func TestErrorsOfNoKind(t *testing.T) {
	t.Parallel()
	got := FromStatus(ToStatus(errors.New("bucket is gone")))
	if got == nil || got.Error() != "store: bucket is gone" {
		t.Errorf("got %v", got)
	}
	if _, ok := status.FromError(got); ok {
		t.Error("a status went on past the border")
	}
	if FromStatus(io.EOF) != io.EOF || FromStatus(nil) != nil || ToStatus(nil) != nil {
		t.Error("what is no status must come back as it is")
	}
}
