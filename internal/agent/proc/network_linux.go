package proc

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// maxNetworkBytes bounds what is read of one file that tells of a network.
const maxNetworkBytes = 4 << 20

// Ours says whether a process is known to see the same network as we do.
func (s *Scanner) Ours(pid int) bool { return s.networkOf(pid) == networkOurs }

// Behind returns where somebody listens in the network of a process, if that is the only network beside ours that has the
// address: then it is the one to which the address leads from here. Everybody may read the files that tell. False where
// there is another with it, as containers within containers can have, and where one cannot be read.
func (s *Scanner) Behind(snap *Snapshot, pid int, address netip.Addr) (listening []netip.AddrPort, certain bool) {
	theirs, err := os.Stat(s.netFile(pid, "tcp"))
	ours, errOurs := os.Stat(filepath.Join(s.root, "self/net/tcp"))
	if err != nil || errOurs != nil || os.SameFile(theirs, ours) {
		return nil, false
	}
	if has, err := s.hasAddress(pid, address); err != nil || !has {
		return nil, false
	}
	seen := []os.FileInfo{ours, theirs}
	for i := range snap.Processes {
		other := snap.Processes[i].PID
		network, err := os.Stat(s.netFile(other, "tcp"))
		if err != nil || slices.ContainsFunc(seen, func(f os.FileInfo) bool { return os.SameFile(f, network) }) {
			continue
		}
		seen = append(seen, network)
		if has, err := s.hasAddress(other, address); err != nil || has {
			return nil, false
		}
	}
	for _, name := range []string{"tcp", "tcp6"} {
		raw, err := s.readNet(pid, name)
		if err != nil && !errors.Is(err, os.ErrNotExist) { // Without IPv6 there is no tcp6.
			return nil, false
		}
		listening = append(listening, parseListening(raw)...)
	}
	return listening, true
}

func (s *Scanner) netFile(pid int, name string) string {
	return filepath.Join(s.root, strconv.Itoa(pid), "net", name)
}

func (s *Scanner) readNet(pid int, name string) ([]byte, error) {
	f, err := os.Open(s.netFile(pid, name))
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return io.ReadAll(io.LimitReader(f, maxNetworkBytes))
}

// hasAddress says whether an address is one of the network's own.
func (s *Scanner) hasAddress(pid int, address netip.Addr) (bool, error) {
	if address.Is6() {
		raw, err := s.readNet(pid, "if_inet6") // The address, without colons, begins each line.
		if errors.Is(err, os.ErrNotExist) {
			return false, nil
		}
		text := address.As16()
		return bytes.Contains(append([]byte("\n"), raw...), []byte("\n"+hex.EncodeToString(text[:])+" ")), err
	}
	raw, err := s.readNet(pid, "fib_trie") // An address, and below it what it is: /32 host LOCAL is an own one.
	if err != nil {
		return false, err
	}
	within := false
	for line := range strings.Lines(string(raw)) {
		f := strings.Fields(line)
		switch {
		case len(f) == 2 && f[0] == "|--":
			within = f[1] == address.String()
		case within && slices.Equal(f, []string{"/32", "host", "LOCAL"}):
			return true, nil
		}
	}
	return false, nil
}

// parseListening reads where somebody listens out of a file like /proc/net/tcp.
func parseListening(file []byte) (list []netip.AddrPort) {
	const listens = "0A"
	for line := range strings.Lines(string(file)) {
		f := strings.Fields(line)
		if len(f) < 4 || f[3] != listens {
			continue
		}
		address, port, _ := strings.Cut(f[1], ":")
		raw, err := hex.DecodeString(address)
		n, errPort := strconv.ParseUint(port, 16, 16)
		if err != nil || errPort != nil || len(raw)%4 != 0 {
			continue
		}
		for word := range slices.Chunk(raw, 4) { // Each is written as a number of this machine.
			binary.NativeEndian.PutUint32(word, binary.BigEndian.Uint32(word))
		}
		if ip, ok := netip.AddrFromSlice(raw); ok {
			list = append(list, netip.AddrPortFrom(ip.Unmap(), uint16(n)))
		}
	}
	return list
}
