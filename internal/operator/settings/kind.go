package settings

import (
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// longest is the greatest length of a value in bytes: more than a map of images needs, and still fit to be shown.
const longest = 2000

// kind of value.
type kind interface {
	// noun by which --help calls such a value.
	noun() string
	// read a text that is one line without blanks around it. The error goes on from “it …”: it tells what is wrong, and
	// after a semicolon what would be right.
	read(text string) (parsed, error)
}

// parsed is what a text says.
type parsed struct {
	// text in the one form in which values are shown and compared: 1h for 60m.
	text string
	// store it in its field. What is stored is the receiver's own.
	store func(*Values)
}

// read a text as a value of this setting; the error is of the form that kind has.
func (d definition) read(text string) (parsed, error) {
	// What YAML writes as a block ends with a line break.
	text = strings.TrimSpace(text)
	switch {
	case len(text) > longest:
		return parsed{}, fmt.Errorf("has %d bytes; write at most %d", len(text), longest)
	case !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl):
		return parsed{}, errors.New("has a line break or another control character; write it in one line of plain text")
	}
	return d.kind.read(text)
}

// number is a whole one, from least to most.
type number struct {
	field       func(*Values) *int
	least, most int
}

func (number) noun() string { return "int" }

func (n number) read(text string) (parsed, error) {
	read, err := strconv.Atoi(text)
	valid := fmt.Sprintf("write a whole number from %d to %d", n.least, n.most)
	switch {
	case err != nil:
		return parsed{}, fmt.Errorf("is not a whole number; %s", valid)
	case read < n.least:
		return parsed{}, fmt.Errorf("is too small; %s", valid)
	case read > n.most:
		return parsed{}, fmt.Errorf("is too great; %s", valid)
	}
	return parsed{strconv.Itoa(read), func(v *Values) { *n.field(v) = read }}, nil
}

// period is a duration, from least to most.
type period struct {
	field       func(*Values) *time.Duration
	least, most time.Duration
}

func (period) noun() string { return "duration" }

func (p period) read(text string) (parsed, error) {
	read, err := time.ParseDuration(text)
	valid := fmt.Sprintf("write one from %s to %s, such as 90s, 10m or 1h30m", short(p.least), short(p.most))
	switch {
	case err != nil:
		return parsed{}, fmt.Errorf("is not a duration; %s", valid)
	case read < p.least:
		return parsed{}, fmt.Errorf("is too short; %s", valid)
	case read > p.most:
		return parsed{}, fmt.Errorf("is too long; %s", valid)
	}
	return parsed{short(read), func(v *Values) { *p.field(v) = read }}, nil
}

// short form of a duration, as a person writes it: 6h rather than 6h0m0s.
func short(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// level of a logger.
type level struct {
	field func(*Values) *slog.Level
}

func (level) noun() string { return "level" }

func (l level) read(text string) (parsed, error) {
	for _, known := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
		if strings.EqualFold(text, known.String()) {
			return parsed{strings.ToLower(known.String()), func(v *Values) { *l.field(v) = known }}, nil
		}
	}
	return parsed{}, errors.New("is not a level; write debug, info, warn or error")
}
