package accesslog

import (
	"encoding/json"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"wsgate/eventloop/record"
)

var at = time.Date(2026, 3, 1, 12, 30, 15, 250_000_000, time.FixedZone("", 3600))

func fullOpen() *record.Open {
	return &record.Open{
		ID: 0x1234abcd, Time: at,
		Client:   netip.MustParseAddr("192.0.2.7"),
		Peer:     netip.MustParseAddrPort("[2001:db8::1]:4711"),
		Listener: "127.0.0.1:8080", Host: []byte("chat.example"), Target: []byte("/ws?a=\"b\""),
		Origin: []byte("https://chat.example"), UserAgent: []byte("tester/1"), Proto: "HTTP/2",
		Route: "*/", Pool: "chat", Endpoint: "127.0.0.1:9001",
		Tries: 2, UpgradeTime: 1234567 * time.Nanosecond,
		Subprotocol: []byte("chat.v1"), Extensions: []byte("permessage-deflate"),
	}
}

func fullClose() *record.Close {
	return &record.Close{
		ID: 0x1234abcd, Time: at.Add(1500*time.Millisecond + 7*time.Microsecond), Opened: at,
		Client: netip.MustParseAddr("192.0.2.7"),
		Route:  "*/", Pool: "chat", Endpoint: "127.0.0.1:9001",
		Up: record.Direction{Bytes: 100, Messages: 3}, Down: record.Direction{Bytes: 1 << 40, Messages: 4},
		Code: 1002, Reason: []byte("bye\xff"), Who: record.Client, Phase: record.PhaseRelay, Why: "close",
		Violation: "unmasked", Violator: record.Client, Discarded: 5, Truncated: true,
		SplicedUp: 6, SplicedDwn: 7,
	}
}

func fullRequest() *record.Request {
	return &record.Request{
		ID: 0xffffffffffffffff, Time: at,
		Client:   netip.MustParseAddr("192.0.2.7"),
		Peer:     netip.MustParseAddrPort("127.0.0.1:4711"),
		Listener: "127.0.0.1:8080", Method: []byte("GET"), Host: []byte("chat.example"),
		Target: []byte("/"), Origin: []byte("null"), UserAgent: []byte("tester/1"), Proto: "HTTP/1.1",
		Route: "*/", Pool: "chat", Endpoint: "127.0.0.1:9001", Tries: 1, Upgrade: true, Status: 502,
		Refusal: "accept", Detail: "wrong Sec-WebSocket-Accept", Sent: 12, Received: 34,
		Duration: 20 * time.Millisecond, Who: record.Upstream, Phase: record.PhaseUpgrade,
	}
}

func TestLines(t *testing.T) {
	tests := []struct{ name, got, want string }{
		{"open", string(appendOpen(nil, fullOpen())), `{"time":"2026-03-01T11:30:15.25Z","type":"open","id":"000000001234abcd",` +
			`"client":"192.0.2.7","peer":"[2001:db8::1]:4711","listener":"127.0.0.1:8080","host":"chat.example",` +
			`"target":"/ws?a=\"b\"","proto":"HTTP/2","origin":"https://chat.example","user_agent":"tester/1","route":"*/","pool":"chat",` +
			`"endpoint":"127.0.0.1:9001","tries":2,"upgrade_ms":1.234,"subprotocol":"chat.v1","extensions":"permessage-deflate"}`},
		{"open, least", string(appendOpen(nil, &record.Open{Time: at})), `{"time":"2026-03-01T11:30:15.25Z","type":"open",` +
			`"id":"0000000000000000","listener":"","host":"","target":"","route":"","pool":"","endpoint":"","tries":0,"upgrade_ms":0.000}`},
		{"close", string(appendClose(nil, fullClose())), `{"time":"2026-03-01T11:30:16.750007Z","type":"close","id":"000000001234abcd",` +
			`"client":"192.0.2.7","route":"*/","pool":"chat","endpoint":"127.0.0.1:9001","opened":"2026-03-01T11:30:15.25Z",` +
			`"duration_ms":1500.007,"bytes_up":100,"bytes_down":1099511627776,"messages_up":3,"messages_down":4,"code":1002,` +
			`"reason":"bye` + "\ufffd" + `","by":"client","phase":"relay","why":"close","end_state":"CR","violation":"unmasked",` +
			`"violator":"client","discarded":5,"truncated":true,"spliced_up":6,"spliced_down":7}`},
		{"close, least, the clock set back", string(appendClose(nil, &record.Close{Time: at, Opened: at.Add(time.Hour)})),
			`{"time":"2026-03-01T11:30:15.25Z","type":"close","id":"0000000000000000","route":"","pool":"","endpoint":"",` +
				`"opened":"2026-03-01T12:30:15.25Z","duration_ms":0.000,"bytes_up":0,"bytes_down":0,"messages_up":0,"messages_down":0,` +
				`"code":0,"by":"none","phase":"none","why":"","end_state":"--"}`},
		{"request", string(appendRequest(nil, fullRequest())), `{"time":"2026-03-01T11:30:15.25Z","type":"request","id":"ffffffffffffffff",` +
			`"client":"192.0.2.7","peer":"127.0.0.1:4711","listener":"127.0.0.1:8080","method":"GET","host":"chat.example","target":"/",` +
			`"proto":"HTTP/1.1","origin":"null","user_agent":"tester/1","route":"*/","pool":"chat","endpoint":"127.0.0.1:9001","tries":1,` +
			`"upgrade":true,"status":502,"refusal":"accept","detail":"wrong Sec-WebSocket-Accept","sent":12,"received":34,` +
			`"duration_ms":20.000,"by":"upstream","phase":"upgrade","end_state":"UU"}`},
		{"request, least", string(appendRequest(nil, &record.Request{Time: at})), `{"time":"2026-03-01T11:30:15.25Z","type":"request",` +
			`"id":"0000000000000000","tries":0,"status":0,"sent":0,"received":0,"duration_ms":0.000}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if test.got != test.want+"\n" {
				t.Errorf("got  %swant %s\n", test.got, test.want)
			}
			if !json.Valid([]byte(test.got)) {
				t.Error("not JSON")
			}
		})
	}
}

// Every field that a line can have is described in doc.go, which the README's
// table follows.
func TestFieldsAreDocumented(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	documented := make(map[string]bool)
	for _, line := range strings.Split(string(doc), "\n") {
		if names, _, ok := strings.Cut(strings.TrimPrefix(line, "//\t"), "  "); ok && strings.HasPrefix(line, "//\t") {
			for _, name := range regexp.MustCompile(`[a-z_]+`).FindAllString(names, -1) {
				documented[name] = true
			}
		}
	}
	for _, line := range [][]byte{
		appendOpen(nil, fullOpen()), appendClose(nil, fullClose()), appendRequest(nil, fullRequest()),
	} {
		var fields map[string]any
		if err := json.Unmarshal(line, &fields); err != nil {
			t.Fatal(err)
		}
		for name := range fields {
			if !documented[name] {
				t.Errorf("field %q is not described in doc.go", name)
			}
		}
	}
}
