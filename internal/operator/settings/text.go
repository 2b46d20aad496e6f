package settings

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
)

// plain is a text.
type plain struct {
	field func(*Values) *string
	// check refuses a text, in the form that kind has; nil where any will do.
	check func(text string) error
}

func (plain) noun() string { return "string" }

func (p plain) read(text string) (parsed, error) {
	if p.check != nil {
		if err := p.check(text); err != nil {
			return parsed{}, err
		}
	}
	return parsed{text, func(v *Values) { *p.field(v) = text }}, nil
}

func notEmpty(text string) error {
	if text == "" {
		return errors.New("is empty; write one")
	}
	return nil
}

// imageOrNone refuses what no registry could have: a pod of it would wait for its image without an end.
func imageOrNone(text string) error {
	if strings.ContainsAny(text, " ,=\"'") {
		return errors.New("is not an image; write one, such as registry.example/timonier:v1, or nothing")
	}
	return nil
}

// address to listen on.
func address(text string) error {
	if text == "0" {
		return nil
	}
	_, port, err := net.SplitHostPort(text)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return errors.New("is not an address; write one with its port, such as :8080 or 127.0.0.1:8080, or 0 to serve none")
	}
	return nil
}

// pairs are a map, as key=value,key=value.
type pairs struct {
	field func(*Values) *map[string]string
	// check refuses a pair; the error goes on from “it has a pair …”, in the form that kind has.
	check func(key, value string) error
}

func (pairs) noun() string { return "key=value,..." }

// read the pairs. The later of two with one key goes before the former, as with a flag that is given twice.
func (p pairs) read(text string) (parsed, error) {
	read := map[string]string{}
	for pair := range strings.SplitSeq(text, ",") {
		key, value, _ := strings.Cut(pair, "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		if strings.TrimSpace(pair) == "" {
			continue // nothing at all, or after the last comma
		}
		if err := p.check(key, value); err != nil {
			return parsed{}, fmt.Errorf("has %q, %w", bounded(pair), err)
		}
		read[key] = value
	}
	var sorted []string
	for _, key := range slices.Sorted(maps.Keys(read)) {
		sorted = append(sorted, key+"="+read[key])
	}
	return parsed{strings.Join(sorted, ","), func(v *Values) { *p.field(v) = maps.Clone(read) }}, nil
}

func imageOfVersion(version, image string) error {
	if _, err := strconv.ParseUint(version, 10, 8); err != nil || image == "" || imageOrNone(image) != nil {
		return errors.New("which is no major version with its image; write pairs such as 17=registry.example/postgres:17")
	}
	return nil
}
