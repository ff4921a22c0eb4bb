package rbee

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"
)

// guard decides where hives may be pulled from, so that an announcement cannot make the server call whomever it likes.
type guard struct {
	networks []netip.Prefix
	names    []string // in lower case; "*.suffix" is kept as ".suffix"
	open     bool     // nothing was configured: the peer of an announcement vouches for its own address
}

func newGuard(allow []string) (*guard, error) {
	g := &guard{open: len(allow) == 0}
	for _, s := range allow {
		s = strings.ToLower(strings.TrimSpace(s))
		if network, err := netip.ParsePrefix(s); err == nil {
			g.networks = append(g.networks, network.Masked())
			continue
		}
		if addr, err := netip.ParseAddr(s); err == nil {
			g.networks = append(g.networks, netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen()))
			continue
		}
		name := strings.TrimPrefix(s, "*")
		if name == "" || name != s && name[0] != '.' || strings.ContainsAny(name, "*/:[]@ ") {
			return nil, fmt.Errorf("--pull-allow: %.64q must be a network such as 10.0.0.0/8, an address, a host name or *.suffix", s)
		}
		g.names = append(g.names, name)
	}
	return g, nil
}

// trusts reports whether a host is allowed by its name, whatever address it has.
func (g *guard) trusts(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return slices.ContainsFunc(g.names, func(name string) bool {
		return name == host || name[0] == '.' && strings.HasSuffix(host, name)
	})
}

// allows reports whether an address may be connected to for a hive that was announced by peer.
func (g *guard) allows(addr, peer netip.Addr) bool {
	addr = addr.Unmap()
	if g.open {
		return addr == peer || addr.IsLoopback() && peer.IsLoopback()
	}
	addr = addr.WithZone("")
	return slices.ContainsFunc(g.networks, func(n netip.Prefix) bool { return n.Contains(addr) })
}

// errForbidden is why a connection was not made.
var errForbidden = errors.New("the address is not one that hives may be pulled from")

// check returns an error when no address of a host may be connected to. It spares the announcer from believing that it
// was heard; what counts is what client does.
func (g *guard) check(ctx context.Context, host string, peer netip.Addr) error {
	if g.trusts(host) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return errors.New("the host's name cannot be resolved")
	}
	if !slices.ContainsFunc(addrs, func(a netip.Addr) bool { return g.allows(a, peer) }) {
		return errForbidden
	}
	return nil
}

// client returns an HTTP client that connects only where it is allowed to for a hive that was announced by peer. Each address is judged when
// it is dialed, after the name was resolved, and again for every redirect. Connections are not kept, so none is
// used that was made for somebody else.
func (g *guard) client(peer netip.Addr) *http.Client {
	trusted := &net.Dialer{Timeout: connectTimeout}
	judged := &net.Dialer{Timeout: connectTimeout, Control: func(_, address string, _ syscall.RawConn) error {
		addr, err := netip.ParseAddrPort(address)
		if err != nil || !g.allows(addr.Addr(), peer) {
			return errForbidden
		}
		return nil
	}}
	return &http.Client{
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			if len(via) > maxRedirects {
				return fmt.Errorf("more than %d redirects", maxRedirects)
			}
			_, err := baseURL((&url.URL{Scheme: req.URL.Scheme, Host: req.URL.Host}).String())
			return err
		},
		Transport: &http.Transport{
			DisableKeepAlives: true,
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				host, _, err := net.SplitHostPort(address)
				if err == nil && g.trusts(host) {
					return trusted.DialContext(ctx, network, address)
				}
				return judged.DialContext(ctx, network, address)
			},
		},
	}
}
