package pid1

// latest is a channel that holds the newest value alone.
type latest[T any] chan T

func newLatest[T any]() latest[T] { return make(latest[T], 1) }

// put never waits.
func (l latest[T]) put(value T) {
	for {
		select {
		case l <- value:
			return
		default:
		}
		select {
		case <-l:
		default:
		}
	}
}
