package timeline

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestPrint(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := New(time.Now())
		disk := l.Begin("disk")
		time.Sleep(100 * time.Millisecond)
		network := l.Begin("network")
		time.Sleep(100 * time.Millisecond)
		disk()
		l.Begin("without an end")
		time.Sleep(200 * time.Millisecond)
		network()
		var got strings.Builder
		l.Print(&got, 400*time.Millisecond)
		const want = "" +
			"  from ms   to ms      ms\n" +
			"        0     200     200  disk     ####################\n" +
			"      100     400     300  network            ##############################\n"
		if got.String() != want {
			t.Errorf("table:\n%swant:\n%s", got.String(), want)
		}
	})
}
