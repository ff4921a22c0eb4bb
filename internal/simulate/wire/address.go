package wire

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/url"
	"strings"
	"time"
)

// patience is how long a server may take for one exchange.
const patience = 10 * time.Second

// Address is where a server is, and what is presented to it.
type Address struct {
	host   string // with its port
	path   string // of the API
	token  string // empty: none
	secure bool
}

// ParseAddress reads a server's URL, http or https; without a path, /graphql is meant. An empty token is not presented.
func ParseAddress(server, token string) (Address, error) {
	u, err := url.Parse(server)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return Address{}, errors.New("the server's URL must begin with http:// or https:// and name a host")
	}
	if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return Address{}, errors.New("the token contains a blank or a character that no header may carry")
	}
	a := Address{host: u.Host, path: cmp.Or(strings.TrimSuffix(u.EscapedPath(), "/"), "/graphql"), token: token, secure: u.Scheme == "https"}
	if u.Port() == "" {
		a.host = net.JoinHostPort(u.Hostname(), map[bool]string{false: "80", true: "443"}[a.secure])
	}
	return a, nil
}

// At returns the address of another path of the same server.
func (a Address) At(path string) Address {
	a.path = path
	return a
}

func (a Address) dial(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if a.secure {
		d := tls.Dialer{Config: &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}}
		return d.DialContext(ctx, "tcp", a.host)
	}
	return new(net.Dialer).DialContext(ctx, "tcp", a.host)
}

// appendHead appends a request's first line and the headers that all have.
func (a Address) appendHead(b []byte, method string) []byte {
	b = append(append(append(append(b, method...), ' '), a.path...), " HTTP/1.1\r\nHost: "...)
	b = append(append(b, a.host...), "\r\n"...)
	if a.token != "" {
		b = append(append(append(b, "Authorization: Bearer "...), a.token...), "\r\n"...)
	}
	return b
}
