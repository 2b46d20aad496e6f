package main

import (
	"flag"
	"fmt"
	"strings"
)

// pairs is a flag that may be repeated, each time with NAME=VALUE.
type pairs map[string]string

func (p pairs) String() string { return "" }

func (p pairs) Set(text string) error {
	name, value, found := strings.Cut(text, "=")
	if !found || name == "" {
		return fmt.Errorf("%q is not of the form NAME=VALUE", text)
	}
	p[name] = value
	return nil
}

// parse reads the flags and wants at least some arguments after them; none when atLeast is 0.
func parse(flags *flag.FlagSet, args []string, atLeast int) error {
	if err := flags.Parse(args); err != nil {
		return err
	}
	if atLeast == 0 && flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q: %s takes flags only", flags.Arg(0), flags.Name())
	}
	if flags.NArg() < atLeast {
		return fmt.Errorf("%s wants at least %d argument: see %s -h", flags.Name(), atLeast, flags.Name())
	}
	return nil
}

// list is a flag that may be repeated and keeps the order.
type list []string

func (l *list) String() string { return "" }

func (l *list) Set(text string) error {
	*l = append(*l, text)
	return nil
}
