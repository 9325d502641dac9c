// SPDX-License-Identifier: GPL-2.0-or-later

package send

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A serviceClass is a flag that holds a DSCP, 0 to 63, and reads the names that
// IANA has registered, too.
type serviceClass int

// maxClass is what fits the six bits of a DSCP.
const maxClass = 63

// A namedClass is a DSCP with its name.
type namedClass struct {
	name string
	dscp serviceClass
}

// classes are all that have names.
var classes = slices.Concat(selectors(), assured(), []namedClass{{"DF", 0}, {"LE", 1}, {"VA", 44}, {"EF", 46}})

// selectors are those of RFC 2474.
func selectors() (all []namedClass) {
	for c := range 8 {
		all = append(all, namedClass{fmt.Sprintf("CS%d", c), serviceClass(8 * c)})
	}
	return all
}

// assured are those of RFC 2597: a class, and the precedence by which its packets
// are dropped.
func assured() (all []namedClass) {
	for c := 1; c <= 4; c++ {
		for drop := 1; drop <= 3; drop++ {
			all = append(all, namedClass{fmt.Sprintf("AF%d%d", c, drop), serviceClass(8*c + 2*drop)})
		}
	}
	return all
}

// classNames lists the names.
func classNames() (names []string) {
	for _, c := range classes {
		names = append(names, c.name)
	}
	return names
}

// Set implements pflag.Value.
func (c *serviceClass) Set(s string) error {
	for _, named := range classes {
		if strings.EqualFold(s, named.name) {
			*c = named.dscp
			return nil
		}
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n > maxClass {
		return fmt.Errorf("%q: want 0 to %d, or a name, such as EF, AF41, CS1 or LE", s, maxClass)
	}
	*c = serviceClass(n)
	return nil
}

// String implements pflag.Value.
func (c *serviceClass) String() string { return strconv.Itoa(int(*c)) }

// Type implements pflag.Value.
func (c *serviceClass) Type() string { return "class" }
