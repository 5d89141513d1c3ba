// Plain HTTP through undici's Pool with pipelining. It reads
//   {origin, requests, pipelining, connections}
// sends GETs and POSTs with and without a declared length, and prints
// {ok, errors}: every answer must be the body that was sent.
import { randomBytes } from 'node:crypto';
import { text as readAll } from 'node:stream/consumers';
import { Pool } from 'undici';

const job = JSON.parse(await readAll(process.stdin));
const pool = new Pool(job.origin, { pipelining: job.pipelining, connections: job.connections });

async function* inPieces(body) {
  for (let at = 0; at < body.length; at += 1000) yield body.subarray(at, at + 1000);
}

async function one(i) {
  const body = randomBytes((i * 379) % 20000);
  const kind = i % 3;
  const { statusCode, body: answer } = await pool.request(
    kind === 0
      ? { method: 'GET', path: `/name?n=${i}` }
      : { method: 'POST', path: '/echo', body: kind === 1 ? body : inPieces(body), idempotent: true },
  );
  const got = Buffer.from(await answer.arrayBuffer());
  const want = kind === 0 ? Buffer.from(`/name?n=${i}`) : body;
  if (statusCode !== 200 || !got.equals(want)) {
    throw new Error(`request ${i}: ${statusCode}, ${got.length} bytes, want ${want.length}`);
  }
}

const results = await Promise.allSettled(Array.from({ length: job.requests }, (_, i) => one(i)));
await pool.close();
const errors = results.filter((r) => r.status === 'rejected').map((r) => r.reason.message);
process.stdout.write(JSON.stringify({ ok: results.length - errors.length, errors: errors.slice(0, 10) }),
  () => process.exit(0));
