package httpserver

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// Policy says whom the server answers, over HTTP and WebSocket alike. It must be made by [NewPolicy]; it is immutable.
//
// The host check stops DNS rebinding, by which a web page makes a browser talk to a server on the reader's own machine;
// the origin check stops one web page from using another's server.
type Policy struct {
	hosts   map[string]bool // names without port, lower case
	origins map[string]bool // scheme://host[:port], as browsers send it
}

// NewPolicy allows loopback names, the given further host names, and pages of the given origins
// ("https://dashboard.example:8443") beside those the server itself serves.
func NewPolicy(allowHosts, allowOrigins []string) (*Policy, error) {
	p := &Policy{hosts: map[string]bool{}, origins: map[string]bool{}}
	for _, host := range allowHosts {
		name := strings.ToLower(strings.Trim(host, "[]"))
		if _, err := netip.ParseAddr(name); err != nil && (name == "" || strings.ContainsAny(name, "/*@: ")) {
			return nil, fmt.Errorf("--allow-host: %.64q must be a host name or IP address without port", host)
		}
		p.hosts[plain(name)] = true
	}
	for _, origin := range allowOrigins {
		as, ok := asBrowsersSend(origin)
		if !ok {
			return nil, fmt.Errorf("--allow-origin: %.64q must be scheme://host[:port] with http or https, and no *", origin)
		}
		p.origins[as] = true
	}
	return p, nil
}

// asBrowsersSend returns an origin as browsers send it, without the port that the scheme has anyway: another spelling would allow nothing.
func asBrowsersSend(origin string) (as string, ok bool) {
	u, err := url.Parse(strings.ToLower(origin))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || strings.Contains(u.Host, "*") {
		return "", false
	}
	if u.Path != "" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return "", false
	}
	host := plain(u.Hostname())
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port := u.Port(); port != "" && port != map[string]string{"http": "80", "https": "443"}[u.Scheme] {
		host += ":" + port
	}
	return u.Scheme + "://" + host, true
}

// plain returns a host in lower case, and an address in its shortest spelling.
func plain(host string) string {
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.String()
	}
	return strings.ToLower(host)
}

// AllowsHost reports whether the request is meant for this server: by name, or by the very address that it came in at. A page that rebinds a name
// of its own cannot name that address.
func (p *Policy) AllowsHost(r *http.Request) bool {
	host := hostOf(r.Host)
	return p.hosts[host] || IsLoopback(host) || isLocalAddress(r, host)
}

func isLocalAddress(r *http.Request, host string) bool {
	at, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	addr, err := netip.ParseAddr(host)
	return ok && err == nil && addr.Unmap() == at.AddrPort().Addr().Unmap()
}

// IsLoopback reports whether a host is this machine and reached by nobody else.
func IsLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && addr.IsLoopback()
}

// AllowsOrigin reports whether the page that sent the request, if one did, may do so.
func (p *Policy) AllowsOrigin(r *http.Request) bool {
	origin := strings.ToLower(r.Header.Get("Origin"))
	if origin == "" || p.origins[origin] {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, r.Host)
}

// Origins returns the origins of other pages that are allowed.
func (p *Policy) Origins() []string {
	all := make([]string, 0, len(p.origins))
	for origin := range p.origins {
		all = append(all, origin)
	}
	return all
}

// hostOf returns the host of host[:port], plain and without brackets.
func hostOf(hostport string) string {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.Trim(hostport, "[]")
	}
	return plain(host)
}

// Here returns the host:port by which this machine reaches a listener, which may listen on all addresses.
func Here(listener net.Addr) string {
	at, ok := listener.(*net.TCPAddr)
	if !ok || !at.IP.IsUnspecified() {
		return listener.String()
	}
	host := "localhost" // which of IPv4 and IPv6 the listener has is the system's choice
	if at.IP.To4() != nil {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, strconv.Itoa(at.Port))
}

// ErrOpen says that a server would be open to the network without asking for credentials.
var ErrOpen = errors.New("this address can be reached from other machines, and there are no credentials yet: anybody could send heartbeats and read the fleet; say --insecure if that is meant")

// CheckListen refuses an address that others can reach, unless insecure says that this is meant.
func CheckListen(listen string, insecure bool) error {
	host, port, err := net.SplitHostPort(listen)
	if _, wrong := strconv.ParseUint(port, 10, 16); err != nil || wrong != nil {
		return fmt.Errorf("--listen: %.64q must be host:port with a port of 0 to 65535, e.g. 127.0.0.1:7833", listen)
	}
	if insecure || IsLoopback(host) {
		return nil
	}
	return fmt.Errorf("--listen %s: %w", listen, ErrOpen)
}
