package demo

import (
	"testing"

	"wsgate/cmd/wsgate/internal/config"
)

func TestConfig(t *testing.T) {
	addresses := []string{"127.0.0.1:4001", "[::1]:4002"}
	c, errs := config.Parse("built-in", Config(addresses))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	if len(c.Warnings) != 1 { // the certificate that signs itself
		t.Error(c.Warnings)
	}
	if len(c.Listeners) != 2 || c.Listeners[1].Address != "127.0.0.1:8443" || !c.Listeners[1].TLS.SelfSigned || c.Listeners[0].Address != "127.0.0.1:8080" || c.Admin.Address != "127.0.0.1:9901" || c.AccessLog.Path != "stderr" {
		t.Errorf("listeners %v, admin %v, access log %v", c.Listeners, c.Admin, c.AccessLog)
	}
	routes := make(map[string]string)
	for _, r := range c.Routes {
		path := r.Path
		if r.Exact {
			path = "=" + path
		}
		routes[path] = r.Upstream
	}
	if len(routes) != 2 || routes["/"] != "page" || routes["=/chat"] != "chat" {
		t.Errorf("routes %v", routes)
	}
	for _, u := range c.Upstreams {
		if len(u.Endpoints) != 2 || u.Endpoints[0].Address != addresses[0] || u.Endpoints[1].Address != addresses[1] {
			t.Errorf("upstream %s: %v", u.Name, u.Endpoints)
		}
	}
}
