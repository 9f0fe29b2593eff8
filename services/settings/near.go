package settings

import "strings"

// nearest gives the name that was probably meant by word, or "" where none is near.
func nearest(word string, names []string) string {
	if len(word) > 40 {
		return ""
	}
	word = strings.ToLower(word)
	best, least := "", len(word)/3+2
	for _, name := range names {
		d := distance(word, name)
		if strings.HasPrefix(name, word) && len(word) >= 3 {
			d = min(d, 1)
		}
		if d < least && d < len(name) {
			best, least = name, d
		}
	}
	return best
}

// distance counts the octets that have to be put in, taken out, changed or swapped
// with their neighbour to make b of a (optimal string alignment).
func distance(a, b string) int {
	var before, last []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before, last, row = last, row, make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j]+cost, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
	}
	return row[len(b)]
}
