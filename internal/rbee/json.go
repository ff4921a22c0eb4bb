package rbee

import (
	"fmt"
	"math"
	"strconv"

	"waggle/internal/jsonwalk"
	"waggle/registry"
)

// decoder reads one JSON text by the rules that serde applies to rbee's types: unknown fields are skipped, a repeated known
// field is an error, an integer may stand for a float but not the other way round, nothing is converted, and strings must be Unicode.
type decoder struct{ jsonwalk.Walker }

// decode reads all of data with read, which must read exactly one value.
func decode(data []byte, read func(*decoder)) error {
	d := &decoder{jsonwalk.New(data)}
	d.SkipUnknown = true
	read(d)
	err := d.End()
	if err != nil && d.Err().Syntax {
		return fmt.Errorf("the body is %w", err)
	}
	return err
}

func (d *decoder) string() string { return string(d.Text()) }

// optString reads a string or null; null gives "".
func (d *decoder) optString() string {
	if d.Null() {
		return ""
	}
	return d.string()
}

// uint reads an integer from 0 to most.
func (d *decoder) uint(most uint64) uint64 {
	token := d.Number()
	if d.Err() != nil {
		return 0
	}
	var v uint64
	for _, c := range token {
		digit := uint64(c - '0')
		if digit > 9 || v > (most-digit)/10 {
			d.Wrong("must be an integer from 0 to %d", most)
			return 0
		}
		v = v*10 + digit
	}
	return v
}

// optUint reads an integer or null; null gives 0.
func (d *decoder) optUint(most uint64) uint64 {
	if d.Null() {
		return 0
	}
	return d.uint(most)
}

// float reads a number.
func (d *decoder) float() float64 {
	token := d.Number()
	if d.Err() != nil {
		return 0
	}
	if string(token) == "0.0" { // what rbee sends for most figures
		return 0
	}
	v, err := strconv.ParseFloat(string(token), 64)
	if err != nil && math.IsInf(v, 0) {
		d.Broken("number out of range") // as serde has it
	}
	return v
}

// optFloat reads a number or null.
func (d *decoder) optFloat() registry.OptFloat {
	if d.Null() {
		return registry.OptFloat{}
	}
	return registry.Float(d.float())
}
