package httpserver

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
)

func TestWhomThePolicyAnswers(t *testing.T) {
	p, err := NewPolicy([]string{"registry.lan", "10.0.0.5", "fd00:0::1"}, []string{"https://dashboard.example:8443", "https://default.example:443", "http://[fd00:0::7]:80"})
	if err != nil {
		t.Fatal(err)
	}
	f := func(host string, want bool) {
		t.Helper()
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Host = host
		if got := p.AllowsHost(r); got != want {
			t.Errorf("host %q: %t, want %t", host, got, want)
		}
	}
	f("localhost", true)
	f("LOCALHOST:7833", true)
	f("127.0.0.1:7833", true)
	f("127.8.9.1", true)
	f("[::1]:7833", true)
	f("[::1]", true)
	f("registry.lan", true)
	f("Registry.LAN:80", true)
	f("10.0.0.5:7833", true)
	f("[fd00::1]:7833", true)
	f("", false)
	f("10.0.0.6:7833", false)
	f("evil.example", false)
	f("localhost.evil.example", false)
	f("127.0.0.1.evil.example:7833", false)

	g := func(host, origin string, want bool) {
		t.Helper()
		r := httptest.NewRequest(http.MethodPost, "/graphql", nil)
		r.Host = host
		if origin != "" {
			r.Header.Set("Origin", origin)
		}
		if got := p.AllowsOrigin(r); got != want {
			t.Errorf("origin %q at %q: %t, want %t", origin, host, got, want)
		}
	}
	g("localhost:7833", "", true) // no page
	g("localhost:7833", "http://localhost:7833", true)
	g("registry.lan", "https://registry.lan", true)
	g("localhost:7833", "https://dashboard.example:8443", true)
	g("localhost:7833", "HTTPS://Dashboard.Example:8443", true)
	g("localhost:7833", "https://dashboard.example", false)
	g("localhost:7833", "https://default.example", true) // browsers leave the port of the scheme out
	g("localhost:7833", "http://[fd00::7]", true)
	g("localhost:7833", "http://default.example", false)
	g("localhost:7833", "http://localhost:3000", false)
	g("localhost:7833", "https://evil.example", false)
	g("localhost:7833", "null", false)
}

func TestPoliciesThatMakeNoSense(t *testing.T) {
	for _, host := range []string{"", "*", "http://a", "a/b", "a b"} {
		if _, err := NewPolicy([]string{host}, nil); err == nil {
			t.Errorf("host %q is taken", host)
		}
	}
	for _, origin := range []string{"", "*", "dashboard.example", "ftp://a", "https://a/path", "https://user@a", "https://a?b", "https://a#b", "https://a?", "https://*.example"} {
		if _, err := NewPolicy(nil, []string{origin}); err == nil {
			t.Errorf("origin %q is taken", origin)
		}
	}
}

func TestAnAddressThatOthersReachMustBeMeant(t *testing.T) {
	f := func(listen string, insecure, want bool) {
		t.Helper()
		if err := CheckListen(listen, insecure); (err == nil) != want {
			t.Errorf("listen %q, insecure %t: %v", listen, insecure, err)
		}
	}
	f("127.0.0.1:7833", false, true)
	f("localhost:0", false, true)
	f("[::1]:7833", false, true)
	f(":7833", false, false)
	f("0.0.0.0:7833", false, false)
	f("[::]:7833", false, false)
	f("10.0.0.5:7833", false, false)
	f("10.0.0.5:7833", true, true)
	f("7833", true, false)
	if err := CheckListen("0.0.0.0:1", false); !errors.Is(err, ErrOpen) {
		t.Errorf("got %v, want ErrOpen", err)
	}
}

func TestTheAddressThatARequestCameInAtIsAllowed(t *testing.T) {
	p, err := NewPolicy(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	f := func(at, host string, want bool) {
		t.Helper()
		local := net.TCPAddrFromAddrPort(netip.MustParseAddrPort(at))
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, local))
		r.Host = host
		if got := p.AllowsHost(r); got != want {
			t.Errorf("host %q at %s: %t, want %t", host, at, got, want)
		}
	}
	f("192.0.2.7:7833", "192.0.2.7:7833", true)
	f("192.0.2.7:7833", "192.0.2.7:8080", true) // by a forwarded port
	f("[::ffff:192.0.2.7]:7833", "192.0.2.7:7833", true)
	f("[2001:db8::7]:7833", "[2001:db8::7]:7833", true)
	f("192.0.2.7:7833", "192.0.2.8:7833", false)
	f("192.0.2.7:7833", "evil.example:7833", false)
	f("192.0.2.7:7833", "", false)
}

func TestHereIsWhereThisMachineReachesAListener(t *testing.T) {
	f := func(listener, want string) {
		t.Helper()
		if got := Here(net.TCPAddrFromAddrPort(netip.MustParseAddrPort(listener))); got != want {
			t.Errorf("%s: %q, want %q", listener, got, want)
		}
	}
	f("127.0.0.1:7833", "127.0.0.1:7833")
	f("192.0.2.7:7833", "192.0.2.7:7833")
	f("[2001:db8::7]:7833", "[2001:db8::7]:7833")
	f("0.0.0.0:7833", "127.0.0.1:7833")
	f("[::]:7833", "localhost:7833")
}
