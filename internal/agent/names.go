package agent

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"net/netip"
	"strings"
)

const (
	// maxHiveID and maxName are what the schema allows for ids of hives, and for groups and instances.
	maxHiveID = 128
	maxName   = 64
)

// nameByte says whether the schema allows a character in ids; the first one must be a letter or digit.
func nameByte(c byte, first bool) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	return !first && strings.IndexByte("._:-", c) >= 0
}

// validName says whether the schema allows this as a group or an instance.
func validName(name string) bool {
	if name == "" || len(name) > maxName {
		return false
	}
	for i := range len(name) {
		if !nameByte(name[i], i == 0) {
			return false
		}
	}
	return true
}

// mend makes an id out of any text: what is not allowed becomes a dash. Two texts that mending would make equal stay
// different by a hash, unless exact is false.
func mend(text string, limit int, exact bool) string {
	var b strings.Builder
	for i := range len(text) {
		if c := text[i]; nameByte(c, b.Len() == 0) {
			b.WriteByte(c)
		} else if b.Len() > 0 {
			b.WriteByte('-')
		}
	}
	mended := strings.TrimRight(b.String(), "-")
	if exact && (mended == "" || mended != text || len(mended) > limit) {
		sum := fnv.New32a()
		_, _ = sum.Write([]byte(text))
		return fmt.Sprintf("%s-%08x", cmp.Or(mended[:min(len(mended), limit-9)], "x"), sum.Sum32())
	}
	return mended[:min(len(mended), limit)]
}

// isLoopback says whether a host name or address leads back to the machine that uses it.
func isLoopback(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// CheckHiveID returns an error unless a hive can have this id.
func CheckHiveID(id string) error {
	if mend(id, maxHiveID, false) != id {
		return fmt.Errorf("the hive id %.64q must be a letter or digit and then up to %d letters, digits, '.', '_', ':' or '-'", id, maxHiveID-1)
	}
	return nil
}
