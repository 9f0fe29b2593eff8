//go:build root

package input

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postroom/services/contract"
	"postroom/tests/hosted"

	"golang.org/x/sys/unix"
)

// Where others take the reserve too, and not an octet is left, mail is served still, what can't be kept is refused
// with why, and the box goes on by itself when there is room.
func TestDiskFullToTheBrim(t *testing.T) {
	t.Parallel()
	p := hosted.Provider(t)
	dir := hosted.Folder(t)
	disk := mountSmall(t, filepath.Join(dir, "data")) // Box.Data
	box := hosted.StartIn(t, dir, hosted.Settings(p))
	var mails [][]byte
	for i := range 10 {
		mails = append(mails, message(i, 4<<10))
	}
	if err := p.Fill(hosted.WebUser, mails); err != nil {
		t.Fatal(err)
	}
	if _, err := box.Poll(hosted.WebName, hosted.Password); err != nil {
		t.Fatal(err)
	}
	box.Until("mail", hosted.Waiting(hosted.WebName, uint64(len(mails))))

	// Nothing is fetched meanwhile: a fetch that fails puts off the next one.
	if _, errs, status := box.Command("account", "pause", hosted.WebName); status != 0 {
		t.Fatalf("account pause: %s", errs)
	}
	disk.fill(0)
	refused := changeUntilRefused(t, box, hosted.Settings(p))
	if !strings.Contains(refused.Error(), unix.ENOSPC.Error()) {
		t.Errorf("a change without any room: %v, want %v", refused, unix.ENOSPC)
	}
	s, err := box.Dial("pop3.listen_tls")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.LogIn(hosted.WebName, hosted.Password)
	served := s.Retrieve()
	if err := s.Err(); err != nil || len(served) != len(mails) {
		t.Fatalf("without any room %d mails are served, %v; want %d", len(served), err, len(mails))
	}
	s.Command("QUIT")
	kept := s.Err() != nil // else there was room for so small a note

	disk.empty()
	if !kept {
		mails = nil
	}
	more := message(10, 4<<10)
	if err := p.Fill(hosted.WebUser, [][]byte{more}); err != nil {
		t.Fatal(err)
	}
	mails = append(mails, more)
	if _, errs, status := box.Command("account", "resume", hosted.WebName); status != 0 {
		t.Fatalf("account resume: %s", errs)
	}
	box.Until("all mail", hosted.Waiting(hosted.WebName, uint64(len(mails))))
	list, err := box.Poll(hosted.WebName, hosted.Password)
	if err != nil {
		t.Fatal(err)
	}
	var got [][]byte
	for _, m := range list {
		got = append(got, m.Octets)
	}
	if missing, extra := hosted.Missing(mails, got); missing != 0 || extra != 0 {
		t.Errorf("%d mails are missing, %d too many", missing, extra)
	}
	box.Until("no condition", func(s *contract.GetStatusResponse) bool { return len(s.Conditions) == 0 })
	if out, errs, status := box.Command("store", "check"); status != 0 {
		t.Errorf("store check: %s%s", out, errs)
	}
}

// changeUntilRefused applies settings over and over, until the room that the store has made for its notes is used up.
func changeUntilRefused(t *testing.T, box *hosted.Box, text string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for n := 0; ; n++ {
		_, err := contract.Call(ctx, box.Admin, contract.AdminService.ApplySettings, &contract.ApplySettingsRequest{
			Text: fmt.Appendf(nil, "%s# %d\n", text, n),
		})
		if ctx.Err() != nil {
			t.Fatalf("%d changes on a full disk, and none is refused: %v", n, err)
		}
		if err != nil {
			return fmt.Errorf("change %d: %w", n, err)
		}
	}
}
