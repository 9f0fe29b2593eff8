package settings

import "time"

// policy is the form of a choice between two words and a time between two bounds. The first word is kept as 0, the
// second as -1.
func policy[T ~int64](first, second string, least, most time.Duration) form[T] {
	words, times := choice([]string{first, second}), duration(least, most)
	return form[T]{
		words: words.words + ", or " + times.words,
		parse: func(text string) (T, *fault) {
			switch text {
			case first:
				return 0, nil
			case second:
				return -1, nil
			}
			if startsAsNumber(text) {
				d, f := times.parse(text)
				return T(d), f
			}
			_, f := words.parse(text)
			if f.right == "" {
				f.better("write %q, %q, or a time such as \"336h\"", first, second)
			}
			return 0, f
		},
		show: func(p T) string {
			switch p {
			case 0:
				return first
			case -1:
				return second
			}
			return showDuration(time.Duration(p))
		},
	}
}

// startsAsNumber tells what is meant to be a duration from what is meant to be a word.
func startsAsNumber(text string) bool {
	return len(text) > 0 && (text[0] >= '0' && text[0] <= '9' || text[0] == '-' || text[0] == '+' || text[0] == '.')
}
