// SPDX-License-Identifier: GPL-2.0-or-later

package arch

import (
	"fmt"
	"go/scanner"
	"go/token"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// A wording is a pattern that comments, texts, names and documents avoid.
type wording struct {
	// pattern is a regular expression. It matches in any case unless it has a
	// capital letter itself. A space matches any white space, so that phrases are
	// found across lines.
	pattern string
	instead string // what to write, for whoever broke the rule
	fine    string // if not empty: matches that also match this are allowed
	max     int    // number of matches that are allowed: uses in another meaning
}

// wordings lists phrases that made readers read a sentence twice, and words that
// hid a concept for which the field has a name.
var wordings = []wording{
	// Phrases.
	{`what (is|was|are|were) (there|left|here|to come|on its way)`, "name the thing: the bytes on disk, the missing shards", ``, 0},
	{`what (comes|came|arrives|arrived|goes|went|stands|stood)`, "name the thing: incoming packets, the next row", ``, 0},
	{`that what`, "name the thing that `what` stands for", ``, 0},
	{`tells?|told|telling`, "say, report, indicate, distinguish, show", ``, 0},
	{`(that|those) of (a|an|all|any|its|other|the|their|this|these|those)`, "repeat the noun", ``, 0},
	{`of (these|those)([.,;:)]| (that|which|who|are|is|was|were|have|has|in|of|on|for|to|and|or|but|a|the|at|by|it|with|from|there|only|one|cost|can|may))`, "repeat the noun", ``, 0},
	{`(\w+ )?(is|are|was|were) no( \w+)?`, "is not a, are not", `^there |^(is|are|was|were) no$|no (longer|more than|less than)|no$|^here `, 0},
	{`(has|have|had) none`, "does not have a", ``, 0},
	{`(there|here) any more`, "deleted, closed, left", ``, 0},
	{`(goes|go|went) before`, "overrides, takes precedence over, precedes", ``, 0},
	{`(give|gives|gave|giving) way`, "yields, is replaced by", ``, 0},
	{`as good as`, "equal to, almost", ``, 0},
	{`in vain`, "without success", ``, 0},
	{`for ever`, "forever, without end", ``, 0},
	{`unlike (receivers|devices|senders|hosts|networks|links)`, "receivers with different bandwidth", ``, 0},
	{`without a way back|no way back`, "without a return channel", ``, 0},
	{`(go|goes|went|going) by the`, "follows, uses, depends on", ``, 0},
	{`(take|takes|took|taken) for`, "assumed to be, counts as", `^(take|takes|took) for`, 0},
	{`but for`, "except", ``, 0},
	{`some [0-9]`, "about 10", ``, 0},
	{`anew`, "again", ``, 0},

	{`Who (\w+s|has|can|wants)`, "name the subject: a receiver that, an attacker who", ``, 0},
	{`What (a|an|it|they|this) [^?]{1,60}[.;]`, "begin the statement with its subject, not as a question", ``, 0},

	// Words of the field.
	{`hearsay|wary|excuses?|excused`, "unauthenticated; manifest required; recovery from an unauthenticated object", ``, 0},
	{`vouch(ed|es|ing)?`, "verify the manifest, verified manifest", ``, 0},
	{`cur(e|es|ed|ing)`, "re-encode, repair, solution", ``, 0},
	{`spoil(s|t|ed|ing)?`, "corrupt, invalidate", ``, 0},
	{`adopt(s|ed|ion)?|finders?`, "resume, scan, scan result", ``, 0},
	{`survey(s|ed)?`, "scan", ``, 0},
	{`suspects?|distrust(s|ed)?`, "queue a check, drop unverified shards", ``, 0},
	{`judg(e|es|ed|ing|ment)`, "decide, evaluate, apply a check", ``, 0},
	{`froze(n)?|freezes?|thaw(s|ed)?`, "scanning, verified only; fixed", ``, 0},
	{`hearing`, "listener, receiving", ``, 0},
	{`audiences?`, "membership table, listeners", ``, 0},
	{`complain(s|ed|ts|t|ing)?`, "warn, error", ``, 0},
	{`victims?`, "target", ``, 0},
	{`patien(ce|t)`, "give-up timer, timeout", ``, 0},
	{`harm(s|ed|less|ful)?`, "damage, effect", ``, 0},
	{`air`, "network, channel", ``, 0},
}

// notYet lists folders and files that the rules do not hold for.
var notYet = []string{
	"internal/arch/language_test.go", // which quotes them
	"cmd/iotupd/messages_test.go",    // likewise
}

// A passage is a text of the tree, with a line break wherever its file has one.
type passage struct {
	path  string
	line  int // of its beginning, from 1
	prose string
	lower string // prose in lower case
}

func newPassage(path string, line int, prose string) passage {
	return passage{path, line, prose, strings.ToLower(prose)}
}

func TestTextsUseTheWordsOfTheField(t *testing.T) {
	passages := append(proseOf(goFiles(t)), documents(t)...)
	for _, w := range wordings {
		found := w.find(passages)
		t.Logf("%4d of at most %d  %s", len(found), w.max, w.pattern)
		if len(found) <= w.max {
			continue
		}
		t.Errorf("%d times %q, which is allowed %d times. Write: %s\n%s", len(found), w.pattern, w.max, w.instead, strings.Join(found, "\n"))
	}
}

// find returns "file:line: match" for all matches that are not fine.
func (w wording) find(passages []passage) (found []string) {
	pattern := regexp.MustCompile(`\b(?:` + strings.ReplaceAll(w.pattern, " ", `\s+`) + `)(?:\b|\W)`)
	fine := regexp.MustCompile(strings.ReplaceAll(w.fine, " ", `\s+`))
	anyCase := w.pattern == strings.ToLower(w.pattern)
	for _, p := range passages {
		if anyCase {
			p.prose = p.lower
		}
		for _, at := range pattern.FindAllStringIndex(p.prose, -1) {
			match := p.prose[at[0]:at[1]]
			if w.fine != "" && fine.MatchString(match) {
				continue
			}
			line := p.line + strings.Count(p.prose[:at[0]], "\n")
			found = append(found, fmt.Sprintf("%s:%d: %s", p.path, line, strings.Join(strings.Fields(match), " ")))
		}
	}
	return found
}

// proseOf returns what people read in Go files: comments, strings and names.
func proseOf(files []*goFile) (passages []passage) {
	seen := make(map[string]bool) // names
	for _, f := range files {
		if !skipped(f.path) {
			passages = append(passages, split(f.path, f.source, seen)...)
		}
	}
	return passages
}

// split returns the comments and strings of a Go file as one passage, and each
// of its names that was not seen yet as another one.
func split(path string, source []byte, seen map[string]bool) (passages []passage) {
	var text strings.Builder
	line := 1 // that text has come to
	file := token.NewFileSet().AddFile("", 1, len(source))
	var s scanner.Scanner
	s.Init(file, source, nil, scanner.ScanComments)
	for {
		pos, tok, lit := s.Scan()
		switch tok {
		case token.EOF:
			return append(passages, newPassage(path, 1, text.String()))
		case token.COMMENT, token.STRING:
			at := file.Line(pos)
			text.WriteString(strings.Repeat("\n", at-line) + strings.TrimPrefix(lit, "//"))
			line = at + strings.Count(lit, "\n")
		default:
			text.WriteByte('\x00') // no match extends over code
		}
		if tok == token.IDENT && !seen[lit] {
			seen[lit] = true
			passages = append(passages, newPassage(path, file.Line(pos), strings.Join(camel(lit), " ")))
		}
	}
}

// camel splits a name into its words: aNameLikeThis has four.
func camel(name string) (words []string) {
	start := 0
	runes := []rune(name)
	for i := 1; i < len(runes); i++ {
		begins := unicode.IsUpper(runes[i]) && (!unicode.IsUpper(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1]))
		if begins || runes[i] == '_' {
			words, start = append(words, string(runes[start:i])), i
		}
	}
	return append(words, string(runes[start:]))
}

// documents returns the documents of the tree.
func documents(t *testing.T) (passages []passage) {
	t.Helper()
	root := os.DirFS("../..")
	for _, pattern := range []string{"*.md", "docs/*.md", "proto/*.md", "proto/testdata/*.md"} {
		names, err := fs.Glob(root, pattern)
		if err != nil || len(names) == 0 {
			t.Fatalf("%s: %d documents, %v", pattern, len(names), err)
		}
		for _, name := range names {
			text, err := fs.ReadFile(root, name)
			if err != nil {
				t.Fatal(err)
			}
			if !skipped(name) {
				passages = append(passages, newPassage(name, 1, string(text)))
			}
		}
	}
	return passages
}

func skipped(name string) bool {
	return slices.ContainsFunc(notYet, func(p string) bool { return name == p || strings.HasPrefix(name, p+"/") })
}

func TestWordingsAreFoundAcrossLinesAndInNames(t *testing.T) {
	source := `package x

// It is as
// good as new. There is no rule
// against "is no longer".
func whatIsThere() { f("this is", /* no */ "text") }

// A tell-tale of 7.
`
	passages := split("x.go", []byte(source), make(map[string]bool))
	for pattern, want := range map[string][]string{
		`as good as`:          {"x.go:3: as good as"},
		`what is there`:       {"x.go:6: what is there"},
		`(\w+ )?is no( \w+)?`: nil,
		`tells?`:              {"x.go:8: tell"},
	} {
		w := wording{pattern: pattern, fine: `^there |no longer`}
		if got := w.find(passages); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", pattern, got, want)
		}
	}
}
