package fetcher

import "sync"

// drops counts, by account, sessions in a row that broke before their QUIT: the next ones are kept shorter, and don't
// pipeline, so that one comes to its deletions. Each that does makes them longer again. The zero value is ready.
type drops struct {
	mu    sync.Mutex
	count map[string]int
}

// mostDrops is more than the limits of a session can be halved.
const mostDrops = 10

func (d *drops) of(account string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.count[account]
}

// judge takes how a session ended.
func (d *drops) judge(account string, broke bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch n := d.count[account]; {
	case broke && d.count == nil:
		d.count = map[string]int{account: 1}
	case broke:
		d.count[account] = min(n+1, mostDrops)
	case n > 1:
		d.count[account] = n - 1
	default:
		delete(d.count, account)
	}
}
