// A WebSocket client on npm `ws` or npm `undici`. It reads one JSON job from
// standard input and prints one JSON result:
//   {impl: "ws" | "undici", sessions: [{url, deflate, protocols, headers, sizes, fragment, close}]}
// Each session echoes every size as text and as binary and closes; the results
// come in the order of the sessions. {kind: "listen", urls: [...]} connects to
// each url in turn and reports what the library made of what it was sent.
import { randomFillSync } from 'node:crypto';
import { text as readAll } from 'node:stream/consumers';
import { WebSocket as WS } from 'ws';
import { Agent, WebSocket as Undici } from 'undici';

const pattern = Buffer.from('wsgate é€😀 0123456789 '); // 1 to 4 byte sequences

function textOf(size) {
  // Whole characters only: the tail is filled up with ASCII.
  const whole = Math.floor(size / pattern.length);
  return Buffer.concat([
    Buffer.from(pattern.toString().repeat(whole)),
    Buffer.alloc(size - whole * pattern.length, 0x61),
  ]);
}

function binaryOf(size) {
  return randomFillSync(Buffer.allocUnsafe(size));
}

function headOf(buf) {
  return buf.subarray(0, 16).toString('hex');
}

// open resolves with {send, next, close, info} or rejects.
function open(impl, s) {
  return impl === 'undici' ? openUndici(s) : openWS(s);
}

function queue() {
  const have = [];
  let waiting = null;
  return {
    put(v) {
      if (waiting) { waiting(v); waiting = null; } else have.push(v);
    },
    next() {
      if (have.length) return Promise.resolve(have.shift());
      return new Promise((resolve) => { waiting = resolve; });
    },
  };
}

function openWS(s) {
  return new Promise((resolve) => {
    const q = queue();
    const ws = new WS(s.url, s.protocols ?? [], {
      perMessageDeflate: s.deflate ? { threshold: 0 } : false,
      headers: s.headers,
      maxPayload: 64 << 20,
      handshakeTimeout: 20000,
    });
    let error = '';
    ws.on('error', (e) => { error = e.message; });
    ws.on('message', (data, binary) => q.put({ data, binary }));
    ws.on('close', (code, reason) => {
      q.put({ closed: { code, reason: reason.toString(), error } });
      resolve({ failed: error || `closed ${code}` });
    });
    ws.on('open', () => resolve({
      protocol: ws.protocol,
      extensions: ws.extensions,
      next: q.next,
      send(data, binary, fragment) {
        if (!fragment || data.length <= fragment) {
          ws.send(data, { binary });
          return;
        }
        for (let at = 0; at < data.length; at += fragment) {
          ws.send(data.subarray(at, at + fragment), { binary, fin: at + fragment >= data.length });
        }
      },
      close: (code, reason) => ws.close(code, reason),
    }));
  });
}

function openUndici(s) {
  return new Promise((resolve) => {
    const q = queue();
    const ws = new Undici(s.url, {
      protocols: s.protocols ?? [],
      headers: s.headers ?? {},
      dispatcher: new Agent({ webSocket: { maxPayloadSize: 64 << 20 } }),
    });
    ws.binaryType = 'arraybuffer';
    let error = '';
    ws.addEventListener('error', (e) => { error = e.message || e.error?.message || 'error'; });
    ws.addEventListener('message', (e) => {
      const binary = typeof e.data !== 'string';
      q.put({ data: Buffer.from(e.data), binary });
    });
    ws.addEventListener('close', (e) => {
      q.put({ closed: { code: e.code, reason: e.reason, error } });
      resolve({ failed: error || `closed ${e.code}` });
    });
    ws.addEventListener('open', () => resolve({
      protocol: ws.protocol,
      extensions: ws.extensions,
      next: q.next,
      send: (data, binary) => ws.send(binary ? data : data.toString()),
      close: (code, reason) => ws.close(code, reason),
    }));
  });
}

async function echo(impl, s) {
  const out = { url: s.url, ok: false, echoes: 0 };
  const c = await open(impl, s);
  if (c.failed) return { ...out, error: c.failed };
  out.protocol = c.protocol;
  out.extensions = c.extensions;
  for (const size of s.sizes ?? []) {
    for (const binary of [false, true]) {
      const sent = binary ? binaryOf(size) : textOf(size);
      c.send(sent, binary, s.fragment);
      const got = await c.next();
      const name = `${size} bytes ${binary ? 'binary' : 'text'}`;
      if (got.closed) return { ...out, error: `${name}: closed ${JSON.stringify(got.closed)}` };
      if (got.binary !== binary || !sent.equals(got.data)) {
        return { ...out, error: `${name}: got ${got.data.length} bytes binary=${got.binary} ${headOf(got.data)}, want ${headOf(sent)}` };
      }
      out.echoes++;
    }
  }
  c.close(s.close?.code ?? 1000, s.close?.reason ?? 'done');
  const last = await c.next();
  if (!last.closed) return { ...out, error: 'a message nobody asked for' };
  return { ...out, ok: true, ...last.closed };
}

// listen reports every event of one connection, in order.
function listen(url) {
  return new Promise((resolve) => {
    const events = [];
    const ws = new WS(url, { perMessageDeflate: false, maxPayload: 8 << 20, handshakeTimeout: 20000 });
    const short = (b) => (b.length <= 64 ? b.toString('hex') : `${b.length}:${headOf(b)}`);
    ws.on('message', (data, binary) => events.push(`${binary ? 'binary' : 'text'} ${short(data)}`));
    ws.on('ping', (data) => events.push(`ping ${short(data)}`));
    ws.on('pong', (data) => events.push(`pong ${short(data)}`));
    ws.on('error', (e) => events.push(`error ${e.code ?? e.message}`));
    ws.on('close', (code, reason) => {
      events.push(`close ${code} ${reason.toString('hex')}`);
      resolve(events);
    });
  });
}

const job = JSON.parse(await readAll(process.stdin));
let result;
if (job.kind === 'listen') {
  result = [];
  for (const url of job.urls) result.push(await listen(url));
} else {
  result = [];
  for (const s of job.sessions) result.push(await echo(job.impl, s));
}
process.stdout.write(JSON.stringify(result), () => process.exit(0));
