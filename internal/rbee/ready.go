package rbee

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"

	"waggle/registry"
)

// announcement is a hive's word that it is ready to be subscribed to.
type announcement struct {
	hiveID string
	url    *url.URL   // of the hive, without trailing slash
	peer   netip.Addr // that announced it
}

// takeReady takes in an announcement of generation E or F.
func (d *Door) takeReady(r *http.Request, body []byte) (string, error) {
	var id, address string
	err := decode(body, func(dec *decoder) {
		dec.Object([]string{"hive_id", "hive_url"}, func(name string) {
			if name == "hive_id" {
				id = dec.string()
			} else {
				address = dec.string()
			}
		})
	})
	if err != nil {
		return "", err
	}
	u, err := baseURL(address)
	if err != nil {
		return "", refuse(http.StatusUnprocessableEntity, "hive_url: %s", err)
	}
	a := announcement{hiveID: id, url: u.JoinPath(), peer: peerOf(r)}
	a.reachable()
	if err := (registry.HiveReport{ID: a.hiveID, Hostname: a.url.Hostname()}).Check(); err != nil {
		return "", err
	}
	if err := d.guard.check(r.Context(), a.url.Hostname(), a.peer); err != nil {
		return "", refuse(http.StatusForbidden, "hive_url: %s", err)
	}
	if err := d.roster.announce(r.Context(), a); err != nil {
		return "", err
	}
	return "Subscribed to hive " + id + " SSE stream", nil
}

// reachable replaces a loopback host by the address of the peer: that is where the hive is, wherever it believes to be.
func (a *announcement) reachable() {
	if !isHere(a.url.Hostname()) || !a.peer.IsValid() || a.peer.IsLoopback() {
		return
	}
	u := *a.url
	if port := a.url.Port(); port != "" {
		u.Host = net.JoinHostPort(a.peer.String(), port)
	} else if u.Host = a.peer.String(); a.peer.Is6() {
		u.Host = "[" + u.Host + "]"
	}
	a.url = &u
}

// report is what is known of a hive before it says anything.
func (a *announcement) report() registry.HiveReport {
	port, _ := strconv.ParseUint(portOf(a.url), 10, 16) // baseURL has checked it
	return registry.HiveReport{ID: a.hiveID, Hostname: a.url.Hostname(), Port: int32(port)}
}
