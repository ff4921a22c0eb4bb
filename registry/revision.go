package registry

import (
	"fmt"
	"strconv"
	"strings"
)

// Revision is a position in the history of one run of a registry. Counters of one epoch can be
// compared; revisions of different epochs cannot.
type Revision struct {
	Epoch   string
	Counter uint64
}

// String returns "<epoch>.<counter>", the form that [ParseRevision] reads.
func (r Revision) String() string { return string(r.Append(nil)) }

// Append appends the String form.
func (r Revision) Append(b []byte) []byte {
	return strconv.AppendUint(append(append(b, r.Epoch...), '.'), r.Counter, 10)
}

// ParseRevision reads the String form.
func ParseRevision(s string) (Revision, error) {
	epoch, digits, ok := strings.Cut(s, ".")
	counter, err := strconv.ParseUint(digits, 10, 64)
	if !ok || epoch == "" || len(epoch) > 32 || err != nil {
		return Revision{}, fmt.Errorf("revision %s: must be one that this API gave out, <epoch>.<counter>", quote(s))
	}
	return Revision{epoch, counter}, nil
}
