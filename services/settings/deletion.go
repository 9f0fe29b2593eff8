package settings

import "time"

// DeletePolicy says when stored mail is deleted at the provider: a time after it was stored, or one of two words.
type DeletePolicy time.Duration

// The words of provider.delete.
const (
	DeleteAtOnce DeletePolicy = 0
	DeleteNever  DeletePolicy = -1
)

const (
	wordAtOnce = "at-once"
	wordNever  = "never"
)

// After is how long stored mail stays at the provider. ok is false where it stays for good.
func (p DeletePolicy) After() (after time.Duration, ok bool) {
	if p == DeleteNever {
		return 0, false
	}
	return time.Duration(p), true
}

func (p DeletePolicy) String() string {
	switch p {
	case DeleteAtOnce:
		return wordAtOnce
	case DeleteNever:
		return wordNever
	}
	return showDuration(time.Duration(p))
}

// deletion is the form of a DeletePolicy.
var deletion = func() form[DeletePolicy] {
	const least, most = time.Minute, 10 * year
	words := choice([]string{wordAtOnce, wordNever})
	times := duration(least, most)
	return form[DeletePolicy]{
		words: words.words + ", or " + times.words,
		parse: func(text string) (DeletePolicy, *fault) {
			switch text {
			case wordAtOnce:
				return DeleteAtOnce, nil
			case wordNever:
				return DeleteNever, nil
			}
			if startsAsNumber(text) {
				d, f := times.parse(text)
				return DeletePolicy(d), f
			}
			_, f := words.parse(text)
			if f.right == "" {
				f.better(`write "at-once", "never", or a time such as "336h"`)
			}
			return 0, f
		},
		show: DeletePolicy.String,
	}
}()

// startsAsNumber tells what is meant to be a duration from what is meant to be a word.
func startsAsNumber(text string) bool {
	return len(text) > 0 && (text[0] >= '0' && text[0] <= '9' || text[0] == '-' || text[0] == '+' || text[0] == '.')
}
