package demo

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/coder/websocket"
)

// backendNames are the backends, in the order of Backends.Addresses.
var backendNames = [...]string{"north", "south"}

//go:embed page/page.html page/page.css page/page.js
var files embed.FS

// page is the chat page, ready to be sent. It is immutable.
type page struct {
	body   []byte
	policy string // its Content-Security-Policy
}

// newPage puts style and script into the page and allows exactly those.
func newPage() (*page, error) {
	read := func(name string) (string, error) {
		b, err := files.ReadFile("page/" + name)
		return string(b), err
	}
	html, err := read("page.html")
	if err != nil {
		return nil, err
	}
	hashes := map[string]string{}
	for _, part := range []struct{ name, element string }{{"page.css", "style"}, {"page.js", "script"}} {
		text, err := read(part.name)
		if err != nil {
			return nil, err
		}
		text = "\n" + text
		place := "{{" + part.name + "}}"
		if strings.Count(html, place) != 1 {
			return nil, fmt.Errorf("page.html: %s is to stand there once", place)
		}
		html = strings.Replace(html, place, text, 1)
		sum := sha256.Sum256([]byte(text))
		hashes[part.element] = "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}
	return &page{body: []byte(html), policy: "default-src 'none'; connect-src 'self'; img-src data:; " +
		"style-src " + hashes["style"] + "; script-src " + hashes["script"] + "; " +
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"}, nil
}

// handler serves the backend called name. ctx cuts its chat connections.
func handler(ctx context.Context, name string, r *room, p *page) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Content-Length", strconv.Itoa(len(p.body)))
		h.Set("Content-Security-Policy", p.policy)
		h.Set("Cache-Control", "no-store")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Backend", name)
		_, _ = w.Write(p.body)
	})
	mux.HandleFunc("GET /chat", func(w http.ResponseWriter, req *http.Request) {
		if !r.enter() {
			w.Header().Set("Retry-After", "5")
			http.Error(w, "the chat is full or stopping", http.StatusServiceUnavailable)
			return
		}
		defer r.exit()
		w.Header().Set("X-Backend", name)
		// A page of another origin is answered 403.
		conn, err := websocket.Accept(w, req, nil)
		if err != nil {
			return // Accept has answered
		}
		conn.SetReadLimit(-1) // member.read has a limit that closes with a reason
		m := &member{conn: conn, backend: name}
		r.join(m)
		m.serve(ctx)
	})
	return mux
}
