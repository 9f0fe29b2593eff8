package input

import (
	"strings"
	"testing"

	"postroom/tests/hosted"
)

// A login without TLS is refused before its password is sent, with what to do.
func TestPlainLoginIsRefusedWithWhatToDo(t *testing.T) {
	t.Parallel()
	p := hosted.Provider(t)
	box := hosted.Start(t, hosted.Settings(p))
	const want = "-ERR [AUTH] log in over TLS: port 995, or STLS before the login; without TLS only from a trusted network, where the settings allow it"
	if got := poplib(t, box.Addr("pop3.listen"), hosted.WebName, hosted.Password); got != want {
		t.Errorf("refused:\n got %s\nwant %s", got, want)
	}
	apply(t, box, strings.Replace(hosted.Settings(p), "[pop3]\n", "[pop3]\nplaintext_login = \"always\"\n", 1))
	until(t, "it is allowed", func() bool {
		return poplib(t, box.Addr("pop3.listen"), hosted.WebName, hosted.Password) == "+OK"
	})
}
