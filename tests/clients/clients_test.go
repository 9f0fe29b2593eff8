// Package clients polls boxes with the mail clients that people use.
package clients

import (
	"testing"

	"postroom/tests/hosted"
	"postroom/tests/mailclient"
	"postroom/tools/provider"
)

func TestDeliveryIsInTheSecondPoll(t *testing.T) {
	t.Parallel()
	var samples [][]byte
	for _, s := range provider.Samples() {
		samples = append(samples, s.Message)
	}
	for _, client := range mailclient.All {
		t.Run(client.Name, func(t *testing.T) {
			p := hosted.Provider(t)
			box := hosted.Start(t, hosted.Settings(p))
			ca := box.CA()
			for user, name := range map[string]string{hosted.WebUser: hosted.WebName, hosted.GMXUser: hosted.GMXName} {
				if err := p.Fill(user, samples); err != nil {
					t.Fatal(err)
				}
				q := mailclient.Poll{Addr: box.Addr("pop3.listen_tls"), CA: ca, Name: name, Dir: mailclient.Folder(t)}
				if got := client.Run(t, q); len(got) != 0 {
					t.Errorf("%s: the first poll got %d mails", name, len(got))
				}
				box.Until("validated mail", hosted.Waiting(name, uint64(len(samples))))
				got := client.Run(t, q)
				if missing, extra := client.Compare(samples, got); missing != 0 || extra != 0 {
					t.Errorf("%s: the second poll got %d mails; %d are missing, %d are others", name, len(got), missing, extra)
				}
				if left, err := p.Count(user); err != nil || left != 0 {
					t.Errorf("%s: the provider still holds %d mails, %v", name, left, err)
				}
				if got := client.Run(t, q); len(got) != 0 {
					t.Errorf("%s: the third poll got %d mails", name, len(got))
				}
			}
		})
	}
}
