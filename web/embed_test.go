package web

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func handler(t *testing.T) http.Handler {
	t.Helper()
	h, err := Handler()
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func get(t *testing.T, h http.Handler, target string, headers ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, target, nil)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func read(t *testing.T, resp *http.Response) []byte {
	t.Helper()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestPagesAreThere(t *testing.T) {
	h := handler(t)
	for _, target := range []string{"/", "/playground/", "/assets/index.js", "/assets/index.css", "/favicon.svg"} {
		resp := get(t, h, target)
		if resp.StatusCode != http.StatusOK || len(read(t, resp)) == 0 {
			t.Errorf("GET %s: got %s, want 200 with a body", target, resp.Status)
		}
	}
}

func TestUnknownPathIsNotFound(t *testing.T) {
	h := handler(t)
	for _, target := range []string{"/nowhere", "/playground/nowhere", "/../embed.go", "/assets/", "/dist/app/index.html"} {
		if resp := get(t, h, target); resp.StatusCode != http.StatusNotFound {
			t.Errorf("GET %s: got %s, want 404", target, resp.Status)
		}
	}
}

func TestOnlyReadingIsAllowed(t *testing.T) {
	h := handler(t)
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, "/", nil))
		if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: got %d and Allow %q", method, w.Code, w.Header().Get("Allow"))
		}
	}
}

func TestHeadSendsNoBody(t *testing.T) {
	w := httptest.NewRecorder()
	handler(t).ServeHTTP(w, httptest.NewRequest(http.MethodHead, "/assets/index.js", nil))
	if w.Code != http.StatusOK || w.Body.Len() != 0 || w.Header().Get("ETag") == "" {
		t.Errorf("got %d, %d bytes, ETag %q", w.Code, w.Body.Len(), w.Header().Get("ETag"))
	}
}

func TestEachPageHasItsPolicy(t *testing.T) {
	h := handler(t)
	f := func(target, want string) {
		t.Helper()
		header := get(t, h, target).Header
		got := map[string]string{}
		for _, name := range []string{"Content-Security-Policy", "X-Content-Type-Options", "Referrer-Policy"} {
			got[name] = header.Get(name)
		}
		if diff := cmp.Diff(map[string]string{
			"Content-Security-Policy": want,
			"X-Content-Type-Options":  "nosniff",
			"Referrer-Policy":         "no-referrer",
		}, got); diff != "" {
			t.Errorf("GET %s (-want +got):\n%s", target, diff)
		}
	}
	f("/", appPolicy)
	f("/assets/index.js", appPolicy)
	f("/playground/", playgroundPolicy)
	if strings.Contains(appPolicy, "unsafe") {
		t.Error("the page's own policy allows something unsafe")
	}
	if strings.Contains(playgroundPolicy, "unsafe-eval") || strings.Contains(playgroundPolicy, "script-src 'self' 'unsafe") {
		t.Error("the playground's policy allows unsafe script")
	}
}

func TestTagAnswersNotModified(t *testing.T) {
	h := handler(t)
	plain := get(t, h, "/assets/index.js").Header.Get("ETag")
	zipped := get(t, h, "/assets/index.js", "Accept-Encoding", "gzip").Header.Get("ETag")
	if plain == zipped || plain == "" || zipped == "" {
		t.Fatalf("got tags %q and %q, want two", plain, zipped)
	}
	f := func(tag, encoding string, want int) {
		t.Helper()
		resp := get(t, h, "/assets/index.js", "If-None-Match", tag, "Accept-Encoding", encoding)
		if resp.StatusCode != want {
			t.Errorf("tag %s with %q: got %s, want %d", tag, encoding, resp.Status, want)
		}
		if want == http.StatusNotModified && len(read(t, resp)) != 0 {
			t.Error("a 304 with a body")
		}
	}
	f(plain, "", http.StatusNotModified)
	f(zipped, "gzip", http.StatusNotModified)
	f(zipped, "", http.StatusOK)
	f(`"other"`, "gzip", http.StatusOK)
	f(`"other", `+zipped, "gzip", http.StatusNotModified)
}

func TestGzipIsTheSameFile(t *testing.T) {
	h := handler(t)
	plain := read(t, get(t, h, "/assets/index.js"))
	resp := get(t, h, "/assets/index.js", "Accept-Encoding", "br, gzip;q=0.8")
	if got := resp.Header.Get("Content-Encoding"); got != "gzip" {
		t.Fatalf("got encoding %q, want gzip", got)
	}
	if got := resp.Header.Get("Vary"); got != "Accept-Encoding" {
		t.Errorf("got Vary %q", got)
	}
	z, err := gzip.NewReader(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	unzipped, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(plain, unzipped) {
		t.Errorf("got %d other bytes, want the %d plain ones", len(unzipped), len(plain))
	}
}

func TestManyFirstRequestsCompressOnce(t *testing.T) {
	f := newFile("dist/app/x.js", bytes.Repeat([]byte("waggle "), 1000))
	var wg sync.WaitGroup
	got := make([][]byte, 16)
	for i := range got {
		wg.Go(func() { got[i] = f.gzip() })
	}
	wg.Wait()
	for _, b := range got {
		if len(b) == 0 || &b[0] != &got[0][0] {
			t.Fatal("two requests were given different bytes")
		}
	}
	if small := newFile("dist/app/y.js", []byte("tiny")).gzip(); small != nil {
		t.Errorf("a tiny file was compressed to %d bytes", len(small))
	}
}

func TestAcceptsGzip(t *testing.T) {
	f := func(header string, want bool) {
		t.Helper()
		if got := acceptsGzip(header); got != want {
			t.Errorf("%q: got %t, want %t", header, got, want)
		}
	}
	f("", false)
	f("gzip", true)
	f("GZIP", true)
	f("deflate, gzip;q=1.0, *;q=0.5", true)
	f("gzip;q=0", false)
	f("gzip;q=0, *", false)
	f("*;q=0, gzip", true)
	f("gzip; q=0.001", true)
	f("gzip;q=nonsense", false)
	f("*", true)
	f("*;q=0", false)
	f("br", false)
	f("identity", false)
}

func TestHashedNamesAreKeptForever(t *testing.T) {
	h := handler(t)
	if got := get(t, h, "/assets/index.js").Header.Get("Cache-Control"); got != cacheAsk {
		t.Errorf("app: got %q, want %q", got, cacheAsk)
	}
	if got := get(t, h, "/playground/").Header.Get("Cache-Control"); got != cacheAsk {
		t.Errorf("playground page: got %q, want %q", got, cacheAsk)
	}
	script := regexp.MustCompile(`src="\./(assets/[^"]+\.js)"`).FindSubmatch(read(t, get(t, h, "/playground/")))
	if script == nil {
		t.Fatal("the playground names no script")
	}
	if got := get(t, h, "/playground/"+string(script[1])).Header.Get("Cache-Control"); got != cacheForever {
		t.Errorf("playground script: got %q, want %q", got, cacheForever)
	}
}

// Whatever a page names must be there when the whole site stands under a prefix.
func TestWorksUnderPrefix(t *testing.T) {
	h := http.StripPrefix("/fleet", handler(t))
	named := regexp.MustCompile(`(?:src|href)="([^"]+)"`)
	for _, page := range []string{"/fleet/", "/fleet/playground/"} {
		refs := named.FindAllSubmatch(read(t, get(t, h, page)), -1)
		if len(refs) < 3 {
			t.Errorf("%s names %d files, want at least script, style and icon", page, len(refs))
		}
		for _, ref := range refs {
			if strings.HasPrefix(string(ref[1]), "/") {
				t.Errorf("%s names %s, which is not relative", page, ref[1])
			}
			if resp := get(t, h, path.Join(page, string(ref[1]))); resp.StatusCode != http.StatusOK {
				t.Errorf("%s names %s: got %s", page, ref[1], resp.Status)
			}
		}
	}
	resp := get(t, h, "/fleet/playground")
	if got := resp.Header.Get("Location"); resp.StatusCode != http.StatusPermanentRedirect || got != "playground/" {
		t.Errorf("/fleet/playground: got %s to %q, want 308 to playground/", resp.Status, got)
	}
}

// The pages load nothing from elsewhere. Addresses in text are fine; addresses that a browser follows are not.
func TestLoadsNothingFromElsewhere(t *testing.T) {
	loads := regexp.MustCompile(`(?i)(?:<(?:script|link|img|iframe)[^>]+(?:src|href)=["']?|@import\s+(?:url\()?["']?|url\(["']?)(?:https?:)?//[^"')\s]+`)
	for name, f := range handler(t).(*site).files {
		switch path.Ext(f.name) {
		case ".html", ".css":
			if found := loads.Find(f.body); found != nil {
				t.Errorf("%s loads %.120s", name, found)
			}
		}
	}
}

// Budgets in bytes as sent: what the page may cost to open. The dashboard's files never name the playground's.
func TestStaysWithinBudget(t *testing.T) {
	const (
		mostScript     = 110_000
		mostStyle      = 8_000
		mostPlayground = 2_000_000
	)
	var script, style, playground, files int
	for route, f := range handler(t).(*site).files {
		size := len(f.gzip())
		if size == 0 {
			size = len(f.body)
		}
		switch {
		case strings.HasPrefix(f.name, "dist/playground/"):
			playground += size
			continue
		case path.Ext(route) == ".js":
			script += size
			if bytes.Contains(f.body, []byte("MonacoEnvironment")) {
				t.Errorf("%s contains the playground's editor", route)
			}
		case path.Ext(route) == ".css":
			style += size
		}
		files++
	}
	t.Logf("script %d, style %d, playground %d bytes", script, style, playground)
	if script > mostScript || style > mostStyle || playground > mostPlayground {
		t.Errorf("got script %d, style %d, playground %d bytes; want at most %d, %d, %d",
			script, style, playground, mostScript, mostStyle, mostPlayground)
	}
	if files > 5 {
		t.Errorf("the dashboard has %d files, want at most 5", files)
	}
}
