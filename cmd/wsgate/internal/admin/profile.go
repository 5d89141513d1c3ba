package admin

import (
	"net/http"
	"net/http/pprof"
	"strconv"
)

// longestProfile is how many seconds a profile or a trace may take.
const longestProfile = 60

// profiles answers below /debug/pprof/. Importing net/http/pprof also registers
// it on http.DefaultServeMux, which nothing here serves. The package itself
// moves the server's write deadline by the seconds that a profile takes.
func profiles(mux *http.ServeMux) {
	for path, h := range map[string]http.HandlerFunc{
		"":        pprof.Index, // and the profiles by name: heap, goroutine, ...
		"cmdline": pprof.Cmdline,
		"profile": pprof.Profile,
		"symbol":  pprof.Symbol,
		"trace":   pprof.Trace,
	} {
		mux.HandleFunc("GET /debug/pprof/"+path, boundedProfile(h))
	}
}

// boundedProfile refuses what takes too long, and what a web page of another
// origin asks for: it could not read the answer, but the gateway would have
// done the work. Browsers tell such requests by Sec-Fetch-Site; other clients
// do not send it.
func boundedProfile(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch r.Header.Get("Sec-Fetch-Site") {
		case "", "none", "same-origin":
		default:
			text(w, http.StatusForbidden, "a page of another origin may not ask for profiles")
			return
		}
		if s := r.FormValue("seconds"); s != "" {
			if n, err := strconv.ParseFloat(s, 64); err != nil || !(n >= 0 && n <= longestProfile) {
				text(w, http.StatusBadRequest, "seconds must be a number from 0 to "+strconv.Itoa(longestProfile))
				return
			}
		}
		next(w, r)
	}
}
