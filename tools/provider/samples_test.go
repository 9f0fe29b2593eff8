package provider

import (
	"bytes"
	"testing"
)

func TestSamples(t *testing.T) {
	t.Parallel()
	again := Samples()
	for i, sample := range Samples() {
		if !bytes.Equal(sample.Message, again[i].Message) {
			t.Errorf("%s is another one each time", sample.Name)
		}
		if bytes.Count(sample.Message, []byte("\n")) != bytes.Count(sample.Message, []byte("\r\n")) || !bytes.HasSuffix(sample.Message, []byte("\r\n")) {
			t.Errorf("%s: a line doesn't end in CRLF", sample.Name)
		}
		if sample.Name == "large" && len(sample.Message) < 20<<20 {
			t.Errorf("%s has %d octets, not 20 MiB", sample.Name, len(sample.Message))
		}
		if has := bytes.Contains(sample.Message, []byte("Subject: ")); has == (sample.Name == "no-subject") {
			t.Errorf("%s: has a subject: %v", sample.Name, has)
		}
	}
}
