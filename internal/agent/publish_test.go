package agent

import (
	"net/netip"
	"strings"
	"testing"
)

func TestDockersProxySaysWhatItPassesOn(t *testing.T) {
	for _, c := range []struct{ line, from, to string }{
		{"/usr/bin/docker-proxy -proto tcp -host-ip 0.0.0.0 -host-port 8080 -container-ip 172.17.0.2 -container-port 80", "0.0.0.0:8080", "172.17.0.2:80"},
		{"/usr/libexec/docker/docker-proxy -proto tcp -host-ip :: -host-port 8080 -container-ip 172.17.0.2 -container-port 80 -use-listen-fd", "[::]:8080", "172.17.0.2:80"},
		{"docker-proxy -container-ip=fd00::2 -container-port=80 -host-ip=127.0.0.1 -host-port=8080 -proto=tcp", "127.0.0.1:8080", "[fd00::2]:80"},
		{"docker-proxy -proto udp -host-ip 0.0.0.0 -host-port 8080 -container-ip 172.17.0.2 -container-port 80", "", ""},
		{"docker-proxy -proto tcp -host-ip 0.0.0.0 -host-port 0 -container-ip 172.17.0.2 -container-port 80", "", ""},
		{"docker-proxy -proto tcp -host-ip 0.0.0.0 -host-port 8080 -container-ip 172.17.0.2", "", ""},
		{"docker-proxy -proto tcp -host-ip gpu -host-port 8080 -container-ip 172.17.0.2 -container-port 80", "", ""},
		{"docker-proxy", "", ""},
		{"rootlessport -proto tcp -host-ip 0.0.0.0 -host-port 8080 -container-ip 172.17.0.2 -container-port 80", "", ""},
		{"bash -c docker-proxy -proto tcp -host-ip 0.0.0.0 -host-port 8080 -container-ip 172.17.0.2 -container-port 80", "", ""},
		{"", "", ""},
	} {
		got, ok := forwardOf(strings.Fields(c.line))
		if ok != (c.from != "") || ok && got != (forward{netip.MustParseAddrPort(c.from), netip.MustParseAddrPort(c.to)}) {
			t.Errorf("%s: got %v, %v", c.line, got, ok)
		}
	}
}
