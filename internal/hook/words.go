// SPDX-License-Identifier: GPL-2.0-or-later

package hook

import (
	"errors"
	"strings"
)

var errQuote = errors.New("a quote is not closed")

const spaces = " \t\r\n"

// SplitWords cuts a command into words as a shell does, and knows quotes and
// backslashes but nothing else of it.
func SplitWords(s string) (words []string, err error) {
	for s = strings.TrimLeft(s, spaces); s != ""; s = strings.TrimLeft(s, spaces) {
		var word string
		if word, s, err = firstWord(s); err != nil {
			return nil, err
		}
		words = append(words, word)
	}
	return words, nil
}

// firstWord takes the word that s begins with. A backslash that is not before a
// space, a quote or a backslash is only that, as in paths of Windows.
func firstWord(s string) (word, rest string, err error) {
	var b strings.Builder
	quote := byte(0) // that has begun
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\\' && quote != '\'' && i+1 < len(s) && strings.IndexByte(`\"' `, s[i+1]) >= 0:
			i++
			b.WriteByte(s[i])
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case quote == 0 && strings.IndexByte(spaces, c) >= 0:
			return b.String(), s[i:], nil
		case quote != 0 && c == quote:
			quote = 0
		default:
			b.WriteByte(c)
		}
	}
	if quote != 0 {
		return "", "", errQuote
	}
	return b.String(), "", nil
}
