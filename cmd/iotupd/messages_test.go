// SPDX-License-Identifier: GPL-2.0-or-later

//go:build !nosend && !nobench

package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// messagesGolden has every text of the program that a user can see as a message. Help, and
// docs/causes.md, have tests of their own.
const messagesGolden = "testdata/messages.golden"

// A message is a text in the sources. Parts that are not constant stand as three dots.
type message struct{ folder, kind, text string }

// messageFolders are those of which the program is made.
var messageFolders = []string{"bench", "cmd/iotupd", "fec", "internal", "proto", "receiver", "sender"}

// silentFolders have no text that a user of iotupd sees as a message.
var silentFolders = []string{
	"bench/report", "internal/arch", "internal/barepath", "internal/demo", "internal/e2e", "internal/embed", "internal/golden",
	"internal/jsonschema", "internal/leak", "internal/mcast/mcasttest", "internal/reason", "cmd/iotupd/internal/cobra",
}

// notShown are files of help, and of commands of other programs.
var notShown = []string{"pages.go", "man.go", "help.go", "namespaces_linux.go"}

// messageKinds are names of calls and types whose texts are messages.
var messageKinds = map[string]string{
	"UsageError": "usage", "Warning": "warning", "Warn": "warning", "Line": "line", "Decision": "-v", "Final": "result",
	"Result": "result", "ProgressLine": "progress", "WaitingLine": "progress", "Errorf": "error", "New": "error",
	"Info": "log", "Debug": "log",
}

// notMessages are calls whose texts are help, or that users do not see.
var notMessages = regexp.MustCompile(`^(panic|MustCompile|Var|VarP|CountVarP?|\w+VarP?|ExitMeaning|Wrap|AddCommand)$`)

// TestMessagesMatchTheGoldenFile asserts every message once. With -update,
// the file is rewritten: look at every difference. Other tests assert exit codes,
// JSON and files.
func TestMessagesMatchTheGoldenFile(t *testing.T) {
	var b strings.Builder
	folder := ""
	for _, m := range messages(t) {
		if m.folder != folder {
			folder = m.folder
			fmt.Fprintf(&b, "\n# %s\n", folder)
		}
		fmt.Fprintf(&b, "%-8s %s\n", m.kind, onOneLine(m.text))
	}
	generated(t, messagesGolden, strings.TrimPrefix(b.String(), "\n"))
}

// messages returns the messages of the program, in order, each once.
func messages(t *testing.T) []message {
	t.Helper()
	all := make(map[message]bool)
	for _, root := range messageFolders {
		for _, path := range sourcesOf(t, filepath.Join("../..", root)) {
			if slices.Contains(notShown, filepath.Base(path)) {
				continue
			}
			folder := strings.TrimPrefix(filepath.ToSlash(filepath.Dir(path)), "../../")
			if slices.ContainsFunc(silentFolders, func(s string) bool { return folder == s || strings.HasPrefix(folder, s+"/") }) {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			check(t, err)
			for _, m := range messagesIn(file) {
				m.folder = folder
				all[m] = true
			}
		}
	}
	return slices.SortedFunc(maps.Keys(all), func(a, b message) int {
		return strings.Compare(a.folder+"\x00"+a.kind+"\x00"+a.text, b.folder+"\x00"+b.kind+"\x00"+b.text)
	})
}

// messagesIn returns the messages of a file. Texts of one word are names.
func messagesIn(file *ast.File) (list []message) {
	words := regexp.MustCompile(`[a-z%>,:] +[a-zA-Z%(-]`)
	var walk func(n ast.Node, kind string)
	walk = func(n ast.Node, kind string) {
		ast.Inspect(n, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ImportSpec, *ast.Comment:
				return false
			case *ast.Field:
				return false // its tag, and its type
			case *ast.ValueSpec:
				return !slices.ContainsFunc(n.Names, func(name *ast.Ident) bool {
					return regexp.MustCompile(`(?i)help$|details$|forms$|^exitMeanings$`).MatchString(name.Name)
				})
			case *ast.KeyValueExpr:
				if id, ok := n.Key.(*ast.Ident); ok && slices.Contains([]string{"Use", "Short", "Long", "Example", "Annotations"}, id.Name) {
					return false
				}
			case *ast.CallExpr:
				name := lastName(n.Fun)
				if notMessages.MatchString(name) {
					return false
				}
				if k, ok := messageKinds[name]; ok {
					for _, arg := range n.Args {
						walk(arg, k)
					}
					return false
				}
			case *ast.CompositeLit:
				if k, ok := messageKinds[lastName(n.Type)]; ok {
					for _, e := range n.Elts {
						walk(e, k)
					}
					return false
				}
			case *ast.BinaryExpr, *ast.BasicLit:
				if text, ok := constantText(n.(ast.Expr)); ok {
					if words.MatchString(text) {
						list = append(list, message{kind: kind, text: text})
					}
					return false
				}
			}
			return true
		})
	}
	walk(file, "text")
	return list
}

// lastName is the name of what is called, or of a type, without its package.
func lastName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}

// constantText returns a text that is a literal, or a sum with literals.
func constantText(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		if e.Kind != token.STRING {
			return "", false
		}
		s, err := strconv.Unquote(e.Value)
		return s, err == nil
	case *ast.BinaryExpr:
		if e.Op != token.ADD {
			return "", false
		}
		x, okX := constantText(e.X)
		y, okY := constantText(e.Y)
		switch {
		case okX && okY:
			return x + y, true
		case okX:
			return x + "...", true
		case okY:
			return "..." + y, true
		}
	}
	return "", false
}

// onOneLine is a text with escapes for what does not print.
func onOneLine(s string) string {
	quoted := strconv.Quote(s)
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}

// obscure are words that send a reader back to the start of a sentence, with what to say.
var obscure = []struct {
	pattern *regexp.Regexp
	instead string
}{
	{regexp.MustCompile(`\bwhat (is (?:t)here|comes|is not)\b`), "name the thing"},
	{regexp.MustCompile(`\b(tells?|told)\b`), "reports, says, indicates"},
	{regexp.MustCompile(`\b(those|that) of (the|these|an?|others)\b`), "repeat the noun"},
	{regexp.MustCompile(`(?i)\b([a-su-z]\w*|t[a-gi-z]\w*) is no [a-z]|\bhas none\b`), "is not a, does not have"},
	{regexp.MustCompile(`\bfor ever\b|\bin vain\b|\bas good as\b|\bgives? way\b|\bgoes (with|before)\b|\ball the same\b`), "forever, without success, equal to, yields, overrides, anyway"},
	{regexp.MustCompile(`\bon the air\b`), "sent here"},
	{regexp.MustCompile(`\bsays nothing\b|\bsomebody has\b|\bhas gone\b|\bis gone\b|\bway back\b|\banew\b`), "plain words"},
}

// Messages are in plain technical English: docs/causes.md is held to it, too.
func TestMessagesArePlainEnglish(t *testing.T) {
	causes, err := os.ReadFile("../../docs/causes.md")
	check(t, err)
	lines := strings.Split(string(causes), "\n")
	for _, m := range messages(t) {
		lines = append(lines, m.folder+": "+m.text)
	}
	for _, line := range lines {
		for _, o := range obscure {
			if seen := o.pattern.FindString(line); seen != "" {
				t.Errorf("%q in %.150q: say instead: %s", seen, line, o.instead)
			}
		}
	}
	if o := obscure[1].pattern; !o.MatchString("DNS tells it") {
		t.Error("the test does not notice anything")
	}
}
