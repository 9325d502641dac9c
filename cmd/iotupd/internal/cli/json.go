// SPDX-License-Identifier: GPL-2.0-or-later

package cli

import (
	"encoding/base64"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"iotupd/internal/printable"
)

// appendJSON appends the JSON of an event, byte by byte as encoding/json has it,
// which is large and has no other use here. Events are made of structs, whose exported
// fields have tags with a name and perhaps omitempty, of slices, maps with texts as keys,
// pointers, texts, numbers and booleans; anything else is a mistake of this program.
func appendJSON(b []byte, v reflect.Value) []byte {
	switch v.Kind() {
	case reflect.Struct:
		return append(appendFields(append(b, '{'), v), '}')
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return append(b, "null"...)
		}
		return appendJSON(b, v.Elem())
	case reflect.Slice:
		return appendList(b, v)
	case reflect.Map:
		return appendMap(b, v)
	case reflect.String:
		return appendString(b, v)
	case reflect.Bool:
		return strconv.AppendBool(b, v.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return strconv.AppendInt(b, v.Int(), 10)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return strconv.AppendUint(b, v.Uint(), 10)
	case reflect.Float64:
		return appendFloat(b, v.Float())
	}
	panic("iotupd: internal error: an event that is not JSON: " + v.Type().String())
}

// appendFields appends the fields of a struct, those of embedded ones among them,
// after an opening brace or other fields.
func appendFields(b []byte, v reflect.Value) []byte {
	t := v.Type()
	for i := range t.NumField() {
		f, field := t.Field(i), v.Field(i)
		tag := f.Tag.Get("json")
		if f.Anonymous && tag == "" {
			if field.Kind() == reflect.Pointer {
				if field.IsNil() {
					continue
				}
				field = field.Elem()
			}
			b = appendFields(b, field)
			continue
		}
		if !f.IsExported() {
			continue
		}
		name, options, _ := strings.Cut(tag, ",")
		if name == "" || name == "-" || options != "" && options != "omitempty" {
			panic("iotupd: internal error: an event with a field without a name in JSON: " + f.Name)
		}
		if options == "omitempty" && isEmpty(field) {
			continue
		}
		if b[len(b)-1] != '{' {
			b = append(b, ',')
		}
		b = appendJSON(append(appendText(b, name), ':'), field)
	}
	return b
}

// isEmpty reports whether omitempty leaves a value out.
func isEmpty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Slice, reflect.Map:
		return v.Len() == 0
	case reflect.Struct:
		return false
	}
	return v.IsZero()
}

func appendList(b []byte, v reflect.Value) []byte {
	if v.IsNil() {
		return append(b, "null"...)
	}
	if v.Type().Elem().Kind() == reflect.Uint8 {
		b = base64.StdEncoding.AppendEncode(append(b, '"'), v.Bytes())
		return append(b, '"')
	}
	b = append(b, '[')
	for i := range v.Len() {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendJSON(b, v.Index(i))
	}
	return append(b, ']')
}

func appendMap(b []byte, v reflect.Value) []byte {
	if v.IsNil() {
		return append(b, "null"...)
	}
	var keys []string
	for _, key := range v.MapKeys() {
		keys = append(keys, key.String())
	}
	slices.Sort(keys)
	b = append(b, '{')
	for i, key := range keys {
		if i > 0 {
			b = append(b, ',')
		}
		name := reflect.ValueOf(key).Convert(v.Type().Key())
		b = appendJSON(append(appendText(b, key), ':'), v.MapIndex(name))
	}
	return append(b, '}')
}

// appendFloat appends a number as ECMAScript has it.
func appendFloat(b []byte, f float64) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		panic("iotupd: internal error: an event with a number that JSON does not have")
	}
	if abs := math.Abs(f); abs == 0 || abs >= 1e-6 && abs < 1e21 {
		return strconv.AppendFloat(b, f, 'f', -1, 64)
	}
	s := strconv.FormatFloat(f, 'e', -1, 64)
	return append(b, strings.Replace(s, "e-0", "e-", 1)...)
}

// appendString appends a value of an event. It is safe to print, once decoded, too.
func appendString(b []byte, v reflect.Value) []byte {
	switch v.Interface().(type) {
	case Path:
		return appendText(b, v.String())
	case Lines:
		return appendText(b, printable.Lines(v.String()))
	}
	return appendText(b, printable.Text(v.String()))
}

// appendText appends a text with quotes. What does not print, or would mean something
// to HTML or to JavaScript, is escaped, and what is not UTF-8 is replaced.
func appendText(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for i, size := 0, 0; i < len(s); i += size {
		var r rune
		r, size = utf8.DecodeRuneInString(s[i:])
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r < ' ' && strings.ContainsRune("\b\f\n\r\t", r):
			b = append(b, '\\', "btn_fr"[r-'\b'])
		case r == '<' || r == '>' || r == '&' || r == utf8.RuneError && size == 1 || !printable.Is(r):
			for _, u := range utf16.AppendRune(nil, r) {
				b = append(b, '\\', 'u', hex[u>>12], hex[u>>8&15], hex[u>>4&15], hex[u&15])
			}
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return append(b, '"')
}
