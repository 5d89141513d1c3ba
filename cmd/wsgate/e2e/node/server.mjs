// An echo server on npm `ws`. The one argument is a JSON object:
//   deflate   accept permessage-deflate (threshold 0, so that every message is compressed)
//   fragment  answer in fragments of this many bytes, 0 for whole messages
// It prints {"port": N} when it listens and ends when its standard input does.
// Subprotocols: the last one offered is chosen, so that a choice that was
// copied from the request by somebody else is told from the server's.
import { WebSocketServer } from 'ws';

const job = JSON.parse(process.argv[2] ?? '{}');

const server = new WebSocketServer({
  host: '127.0.0.1',
  port: 0,
  maxPayload: 64 << 20,
  perMessageDeflate: job.deflate ? { threshold: 0 } : false,
  handleProtocols: (offered) => [...offered].at(-1),
});

function answer(ws, data, binary) {
  const step = job.fragment ?? 0;
  if (step === 0 || data.length <= step) {
    ws.send(data, { binary });
    return;
  }
  for (let at = 0; at < data.length; at += step) {
    ws.send(data.subarray(at, at + step), { binary, fin: at + step >= data.length });
  }
}

server.on('connection', (ws) => {
  ws.on('message', (data, binary) => answer(ws, data, binary));
  ws.on('error', () => {}); // the library answers protocol errors with a Close by itself
});
server.on('listening', () => console.log(JSON.stringify({ port: server.address().port })));

process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
