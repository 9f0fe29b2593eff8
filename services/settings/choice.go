package settings

import (
	"slices"
	"strings"
)

// choice is the form of a value that is one of a few words. Those in later come with
// another version: they are refused, and not as if they were unknown.
func choice[T ~string](words []T, later ...T) form[T] {
	names := make([]string, len(words))
	for i, word := range words {
		names[i] = string(word)
	}
	return form[T]{
		words: "`\"" + strings.Join(names, "\"`, `\"") + "\"`",
		parse: func(text string) (T, *fault) {
			switch {
			case slices.Contains(words, T(text)):
				return T(text), nil
			case slices.Contains(later, T(text)):
				return "", notYet(text, names)
			}
			return "", notOneOf(text, names)
		},
		show: func(word T) string { return string(word) },
	}
}

func notYet(text string, names []string) *fault {
	return wrong("%s is not available in this version yet", quote(text)).better("write %s", quoteAll(names))
}

func notOneOf(text string, names []string) *fault {
	f := wrong("%s is not one of %s", quote(text), strings.Join(names, ", "))
	if len(names) == 1 {
		f = wrong("%s is not %s", quote(text), quote(names[0]))
	}
	if near := nearest(text, names); near != "" {
		f.better("did you mean %q?", near)
	}
	return f
}

func quoteAll(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = quote(name)
	}
	return strings.Join(quoted, " or ")
}
