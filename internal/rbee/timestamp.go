package rbee

import (
	"strings"
	"time"
)

// parseTimestamp reads a date and time as chrono 0.4 does, which rbee's hives are built with. That is RFC 3339, and also: blanks in front and
// before the zone, a blank instead of the T, a zone of "UTC" or without colon, a leap second, any number of fraction digits, and years
// of more than four digits with a sign.
func parseTimestamp(s string) (time.Time, bool) {
	c := &cutter{rest: strings.TrimLeft(s, " ")}
	year := c.year()
	c.char("-")
	month := c.number(1, 12)
	c.char("-")
	day := c.number(1, 31)
	c.char("T ")
	hour := c.number(0, 23)
	c.char(":")
	minute := c.number(0, 59)
	c.char(":")
	second := c.number(0, 60)
	nanos := c.fraction()
	c.rest = strings.TrimLeft(c.rest, " ")
	offset := c.zone()
	if c.failed || c.rest != "" {
		return time.Time{}, false
	}
	date := time.Date(year, time.Month(month), day, hour, minute, min(second, 59), 0, time.UTC)
	if date.Day() != day {
		return time.Time{}, false // no such day in that month
	}
	return date.Add(time.Duration(max(second-59, 0))*time.Second + time.Duration(nanos) - offset), true
}

// cutter takes a text apart from the front.
type cutter struct {
	rest   string
	failed bool
}

// take returns the first byte and removes it, if it is one of those.
func (c *cutter) take(of string) (byte, bool) {
	if c.rest == "" || strings.IndexByte(of, c.rest[0]) < 0 {
		return 0, false
	}
	b := c.rest[0]
	c.rest = c.rest[1:]
	return b, true
}

func (c *cutter) char(of string) {
	if _, ok := c.take(of); !ok {
		c.failed = true
	}
}

const decimalDigits = "0123456789"

// digits reads least to most digits.
func (c *cutter) digits(least, most int) int {
	v := 0
	for n := range most {
		b, ok := c.take(decimalDigits)
		if !ok {
			c.failed = c.failed || n < least
			break
		}
		v = v*10 + int(b-'0')
	}
	return v
}

// number reads one or two digits.
func (c *cutter) number(least, most int) int {
	v := c.digits(1, 2)
	c.failed = c.failed || v < least || v > most
	return v
}

// year reads four digits, or a sign and four to six.
func (c *cutter) year() int {
	sign, signed := c.take("+-")
	if !signed {
		return c.digits(4, 4)
	}
	year := c.digits(4, 6)
	c.failed = c.failed || year > 262_143 // chrono's last year
	if sign == '-' {
		return -year
	}
	return year
}

// fraction reads a point and digits, if they are there, and returns nanoseconds.
func (c *cutter) fraction() int {
	if _, ok := c.take("."); !ok {
		return 0
	}
	before := len(c.rest)
	nanos := c.digits(1, 9)
	for range 9 - (before - len(c.rest)) {
		nanos *= 10
	}
	c.rest = strings.TrimLeft(c.rest, decimalDigits)
	return nanos
}

func (c *cutter) zone() time.Duration {
	if c.rest == "Z" || c.rest == "UTC" {
		c.rest = ""
		return 0
	}
	sign, ok := c.take("+-")
	hours := c.digits(2, 2)
	c.take(":")
	minutes := c.digits(2, 2)
	c.failed = c.failed || !ok || hours > 23 || minutes > 59
	offset := time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
	if sign == '-' {
		return -offset
	}
	return offset
}
