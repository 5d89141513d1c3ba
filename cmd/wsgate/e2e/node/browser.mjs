// Headless Chromium through the DevTools protocol. Jobs, read from the first
// line of standard input:
//   {kind: "echo", page, urls, sizes}   WebSocket echoes from a page; prints one JSON
//                                 line (the page has to be on loopback, too: others may
//                                 not connect to it)
//   {kind: "chat", url}           two tabs of the demo chat with each other; prints
//                                 one JSON line when both have seen both messages, and
//                                 one when both have lost their connection
import { createInterface } from 'node:readline';
import puppeteer from 'puppeteer-core';

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const job = JSON.parse((await lines.next()).value);

const browser = await puppeteer.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  headless: true,
  args: [
    '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-proxy-server', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync',
    '--disable-background-timer-throttling', '--disable-renderer-backgrounding',
    '--disable-backgrounding-occluded-windows', '--disable-domain-reliability', '--disable-default-apps', '--disable-extensions',
    // Nothing but the loopback address is to be talked to.
    '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
  ],
});

// A tab in the background paints nothing, so the default of looking once a
// frame would wait forever.
const often = { polling: 100 };

function report(value) {
  return new Promise((resolve) => process.stdout.write(`${JSON.stringify(value)}\n`, resolve));
}

async function newPage(url, failures) {
  const page = await browser.newPage();
  page.setDefaultTimeout(30000);
  page.on('pageerror', (e) => failures.push(`script: ${e.message}`));
  const answer = await page.goto(url);
  if (answer && answer.status() !== 200) failures.push(`${url}: status ${answer.status()}`);
  return page;
}

// echoes runs inside the page.
async function echoes(urls, sizes) {
  const results = [];
  for (const url of urls) {
    results.push(await new Promise((resolve) => {
      const ws = new WebSocket(url);
      ws.binaryType = 'arraybuffer';
      let at = 0, sent = null, error = '';
      const next = () => {
        if (at === sizes.length) { ws.close(4002, 'from the browser'); return; }
        const bytes = new Uint8Array(sizes[at]);
        for (let i = 0; i < bytes.length; i += 65536) crypto.getRandomValues(bytes.subarray(i, i + 65536));
        sent = at % 2 ? 'é€😀 '.repeat(sizes[at] / 10) : bytes;
        ws.send(sent);
      };
      ws.onopen = next;
      ws.onmessage = (e) => {
        const same = typeof sent === 'string' ? e.data === sent
          : e.data.byteLength === sent.length && new Uint8Array(e.data).every((b, i) => b === sent[i]);
        if (!same) { error = `size ${sizes[at]} came back differently`; ws.close(4003); return; }
        at++;
        next();
      };
      ws.onclose = (e) => resolve({
        url, echoes: at, code: e.code, clean: e.wasClean, extensions: ws.extensions, error,
      });
    }));
  }
  return results;
}

async function say(page, text) {
  await page.waitForSelector('#state[data-state=open]');
  await page.type('#input', text);
  await page.focus('#input');
  await page.keyboard.press('Enter');
}

function sees(page, text) {
  return page.waitForFunction(
    (t) => document.querySelector('#messages').textContent.includes(t), often, text);
}

function read(page) {
  return page.evaluate(() => ({
    backend: document.querySelector('#backend').textContent,
    people: document.querySelector('#people').textContent,
    state: document.querySelector('#state').textContent,
    messages: [...document.querySelectorAll('#messages li')].map((li) => li.textContent),
  }));
}

async function chat() {
  const failures = [];
  const one = await newPage(job.url, failures);
  const two = await newPage(job.url, failures);
  await say(one, 'hello from the first tab');
  await sees(two, 'hello from the first tab');
  await say(two, 'hello from the second tab');
  await sees(one, 'hello from the second tab');
  await sees(two, 'hello from the second tab');
  await report({ tabs: [await read(one), await read(two)], failures });
  await lines.next(); // the test goes on
  const lost = (page) => page.waitForFunction(() => document.querySelector('#state').dataset.state !== 'open', often);
  await Promise.all([lost(one), lost(two)]);
  const code = (page) => page.evaluate(() => document.querySelector('#state').dataset.code);
  await report({ codes: [await code(one), await code(two)] });
}

try {
  if (job.kind === 'chat') {
    await chat();
  } else {
    const page = await newPage(job.page, []);
    await report(await page.evaluate(echoes, job.urls, job.sizes));
  }
} finally {
  await browser.close();
}
process.exit(0);
