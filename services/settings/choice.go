package settings

import (
	"slices"
	"strings"
)

// choice is the form of a value that is one of a few words.
func choice[T ~string](words []T) form[T] {
	names := make([]string, len(words))
	for i, word := range words {
		names[i] = string(word)
	}
	return form[T]{
		words: "`\"" + strings.Join(names, "\"`, `\"") + "\"`",
		parse: func(text string) (T, *fault) {
			if slices.Contains(words, T(text)) {
				return T(text), nil
			}
			return "", notOneOf(text, names)
		},
		show: func(word T) string { return string(word) },
	}
}

func notOneOf(text string, names []string) *fault {
	f := wrong("%s is not one of %s", quote(text), strings.Join(names, ", "))
	if near := nearest(text, names); near != "" {
		f.better("did you mean %q?", near)
	}
	return f
}
