// Package web serves the bundled page and the GraphQL playground from inside the binary.
//
// The page is built from the sources beside this file into dist, which is committed, so that building the server needs
// no npm. Everything it loads comes from this package: both pages work on a machine without internet.
package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"
)

//go:embed all:dist
var dist embed.FS

// What a page may load and do, by page. Neither may load anything from elsewhere, run inline script, be framed or
// send forms. The playground's editor writes its own styles, so only there inline style is allowed.
const (
	appPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
	playgroundPolicy = "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self' 'unsafe-inline'; " +
		"img-src 'self' data:; font-src 'self' data:; connect-src 'self'; " +
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

// How long a browser may keep a file. Names with a hash in them never change their bytes; all others are asked for
// again each time and answered with 304 while they are the same.
const (
	cacheForever = "public, max-age=31536000, immutable"
	cacheAsk     = "no-cache"
)

// worthCompressing is the size in bytes below which a file is sent as it is.
const worthCompressing = 1024

// contentType knows the files of dist. The operating system is not asked: it may say anything.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".json":
		return "application/json"
	case ".ttf":
		return "font/ttf"
	default:
		return "application/octet-stream"
	}
}

// file is one file of dist, ready to be sent.
type file struct {
	name        string
	body        []byte
	contentType string
	policy      string
	cache       string
	hash        string

	zipOnce sync.Once
	zipped  []byte // nil when compression does not pay
}

// site answers with the files it holds, by path. It is never changed after it was made.
type site struct {
	files map[string]*file
}

// Handler returns the handler of the page, at /, and of the playground, at /playground/. It answers GET and HEAD and
// works under any path prefix that is stripped before. Files are compressed at their first request and kept.
func Handler() (http.Handler, error) {
	files := map[string]*file{}
	err := fs.WalkDir(dist, "dist", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		body, err := dist.ReadFile(name)
		if err != nil {
			return err
		}
		f := newFile(name, body)
		files[route(name)] = f
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading the embedded page: %w", err)
	}
	return &site{files: files}, nil
}

func newFile(name string, body []byte) *file {
	sum := sha256.Sum256(body)
	f := &file{
		name:        name,
		body:        body,
		contentType: contentType(name),
		policy:      appPolicy,
		cache:       cacheAsk,
		hash:        hex.EncodeToString(sum[:16]),
	}
	if strings.HasPrefix(name, "dist/playground/") {
		f.policy = playgroundPolicy
		if strings.HasPrefix(name, "dist/playground/assets/") {
			f.cache = cacheForever
		}
	}
	return f
}

// route gives the path under which a file of dist is served.
func route(name string) string {
	p := strings.TrimPrefix(name, "dist")
	p = strings.TrimPrefix(p, "/app")
	return strings.TrimSuffix(p, "index.html")
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	if r.URL.Path == "/playground" {
		// Relative, so that it holds under a prefix that was stripped before.
		h.Set("Location", "playground/")
		w.WriteHeader(http.StatusPermanentRedirect)
		return
	}
	f, ok := s.files[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	f.serve(w, r)
}

func (f *file) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", f.contentType)
	h.Set("Content-Security-Policy", f.policy)
	h.Set("Cache-Control", f.cache)
	h.Set("Vary", "Accept-Encoding")
	body, tag := f.body, f.hash
	if acceptsGzip(r.Header.Get("Accept-Encoding")) {
		if zipped := f.gzip(); zipped != nil {
			// A strong tag names bytes, so each encoding has its own.
			body, tag = zipped, f.hash+"-gzip"
			h.Set("Content-Encoding", "gzip")
		}
	}
	h.Set("ETag", `"`+tag+`"`)
	http.ServeContent(w, r, f.name, time.Time{}, bytes.NewReader(body))
}

// gzip returns the compressed bytes, or nil when they would not be smaller. Safe for concurrent use.
func (f *file) gzip() []byte {
	f.zipOnce.Do(func() {
		if len(f.body) < worthCompressing {
			return
		}
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		if _, err := z.Write(f.body); err != nil {
			return
		}
		if err := z.Close(); err != nil || b.Len() >= len(f.body) {
			return
		}
		f.zipped = b.Bytes()
	})
	return f.zipped
}

// acceptsGzip reads an Accept-Encoding header: gzip, or anything, named without a weight of zero (RFC 9110, 12.5.3).
func acceptsGzip(header string) bool {
	anything := false
	for part := range strings.SplitSeq(header, ",") {
		coding, parameters, _ := strings.Cut(part, ";")
		wanted := true
		if name, value, ok := strings.Cut(parameters, "="); ok && strings.TrimSpace(name) == "q" {
			weight, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			wanted = err == nil && weight > 0
		}
		switch strings.ToLower(strings.TrimSpace(coding)) {
		case "gzip", "x-gzip":
			return wanted
		case "*":
			anything = wanted
		}
	}
	return anything
}
