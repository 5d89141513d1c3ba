package plain

import (
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"wsgate/eventloop/record"
	"wsgate/eventloop/route"
	"wsgate/splice/frame"
)

// nodeClient asks for pages, and opens a WebSocket by extended CONNECT, over
// one connection of Node's HTTP/2 client.
const nodeClient = `
const http2 = require('http2'), crypto = require('crypto');
const c = http2.connect(process.argv[1]);
c.on('error', e => { console.error(e); process.exit(1); });
const request = (h, body) => new Promise((done, fail) => {
  const r = c.request(h);
  let status, text = '';
  r.setEncoding('utf8');
  r.on('response', h => status = h[':status']);
  r.on('data', d => text += d);
  r.on('end', () => done(status + ' ' + text));
  r.on('error', fail);
  r.end(body);
});
const masked = (op, payload) => {
  const p = Buffer.from(payload), key = crypto.randomBytes(4);
  for (let i = 0; i < p.length; i++) p[i] ^= key[i % 4];
  return Buffer.concat([Buffer.from([0x80 | op, 0x80 | p.length]), key, p]);
};
c.once('remoteSettings', async s => {
  console.log('announced', s.enableConnectProtocol);
  const pages = [];
  for (let i = 0; i < 20; i++) pages.push(request({':method': 'POST', ':path': '/page?' + i, 'cookie': ['a=b', 'c=d']}, 'x'.repeat(i)));
  (await Promise.all(pages)).forEach(p => console.log(p));
  const r = c.request({':method': 'CONNECT', ':protocol': 'websocket', ':scheme': 'http', ':path': '/ws', ':authority': 'a',
    'sec-websocket-version': '13', 'sec-websocket-protocol': 'chat'}, {endStream: false});
  let got = Buffer.alloc(0);
  r.on('response', h => { console.log('tunnel', h[':status'], h['sec-websocket-protocol']); r.write(masked(1, 'from node')); });
  r.on('data', d => {
    got = Buffer.concat([got, d]);
    while (got.length >= 2 && got.length >= 2 + got[1]) {
      const op = got[0] & 15, p = got.subarray(2, 2 + got[1]);
      got = got.subarray(2 + got[1]);
      if (op === 8) { console.log('close', p.readUInt16BE(0)); r.end(); continue; }
      console.log('message', p.toString());
      r.write(masked(8, [3, 232]));
    }
  });
  r.on('close', () => { console.log('closed', r.rstCode); c.close(); });
  r.on('error', e => console.log('error', e.message));
});
c.on('close', () => process.exit(0));
`

// TestNode: pages and a WebSocket over one connection of Node's client.
func TestNode(t *testing.T) {
	if _, err := exec.LookPath("node"); err != nil {
		t.Skip("no node")
	}
	if !withExtendedConnect(t) {
		return
	}
	page := backend(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %d %s", r.Method, r.RequestURI, len(b), r.Header.Get("Cookie"))
	})
	chat := wsBackend(t, "Sec-WebSocket-Protocol: chat\r\n", "", echo)
	w := newWorld(t, func(_ *route.Route, s *Settings) {
		s.Routes, _ = route.NewTable([]*route.Route{
			{Name: "page", Host: "*", Path: "/", Pool: pool(t, "page", page), Frames: frame.Observe},
			{Name: "chat", Host: "*", Path: "/ws", Pool: pool(t, "chat", chat.addr), Frames: frame.Enforce},
		})
	}, page)
	out, err := exec.Command("node", "-e", nodeClient, "http://"+w.listen2(false)).CombinedOutput()
	var want strings.Builder
	fmt.Fprintln(&want, "announced true")
	for i := range 20 {
		fmt.Fprintf(&want, "200 POST /page?%d %d a=b; c=d\n", i, i)
	}
	want.WriteString("tunnel 200 chat\nmessage from node\nclose 1000\nclosed 0\n")
	if err != nil || string(out) != want.String() {
		t.Errorf("%v, got:\n%s\nwant:\n%s", err, out, want.String())
	}
	w.log.wantClose(record.Client, record.PhaseRelay, "close", 1000)
}
