// Runs the suite in headless Chromium: serves the package and the suite on 127.0.0.1, starts the
// browser on a page that runs it, prints what the page reports, and ends with PASS or FAIL.
//
//   node browser.mjs [--timeout SECONDS]
//
// The browser is $HOLT_CHROMIUM, or the first of the usual names on the PATH. Exit status: 0 all
// passed, 1 otherwise: a failed test, no browser, a page that did not finish in time.
import { spawn } from 'node:child_process';
import { accessSync, constants, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { delimiter, extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome'];
const FLAGS = [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync',
  '--disable-dev-shm-usage',
];
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.mjs': 'text/javascript', '.wasm': 'application/wasm' };
const POLICY = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; img-src data:";
const REPORT_BYTES = 1 << 20;
const root = fileURLToPath(new URL('..', import.meta.url));

function fail(message) {
  console.error(`browser suite: FAIL: ${message}`);
  process.exit(1);
}

function executable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function findBrowser() {
  const named = process.env.HOLT_CHROMIUM;
  if (named) return executable(named) ? named : undefined;
  const folders = (process.env.PATH ?? '').split(delimiter).filter(Boolean);
  return NAMES.flatMap((name) => folders.map((folder) => join(folder, name))).find(executable);
}

function timeoutSeconds() {
  const at = process.argv.indexOf('--timeout');
  const seconds = at < 0 ? 600 : Number(process.argv[at + 1]);
  return seconds > 0 ? seconds : fail('--timeout takes a number of seconds');
}

function serveFile(request, response) {
  const path = normalize(decodeURIComponent(new URL(request.url, 'http://localhost').pathname));
  const type = TYPES[extname(path)];
  if (!/^\/(pkg|tests\/(browser|suite))\//.test(path) || type === undefined) {
    response.writeHead(404).end();
    return;
  }
  let body;
  try {
    body = readFileSync(join(root, path));
  } catch {
    response.writeHead(404).end();
    return;
  }
  response.writeHead(200, { 'content-type': type, 'cache-control': 'no-store', 'content-security-policy': POLICY });
  response.end(body);
}

function readReport(request, response, onReport) {
  const parts = [];
  let bytes = 0;
  request.on('data', (part) => {
    bytes += part.length;
    if (bytes > REPORT_BYTES) request.destroy();
    else parts.push(part);
  });
  request.on('end', () => {
    response.writeHead(204).end();
    onReport(JSON.parse(Buffer.concat(parts).toString()));
  });
}

/** A server for files and reports; resolves with its port. */
function listen(onReport) {
  const server = createServer((request, response) => {
    try {
      if (request.method === 'POST' && request.url === '/report') readReport(request, response, onReport);
      else serveFile(request, response);
    } catch (error) {
      response.writeHead(400).end(String(error));
    }
  });
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve(server.address().port));
  });
}

function printTest({ name, error, notes, milliseconds }) {
  console.log(`${error === undefined ? 'ok' : 'not ok'} - ${name} (${milliseconds} ms)`);
  for (const note of notes) console.log(`    ${note}`);
  if (error !== undefined) console.log(error.replace(/^/gm, '    '));
}

const browser = findBrowser();
if (browser === undefined) {
  fail('no Chromium found; install it (Debian: apt-get install chromium), name it in HOLT_CHROMIUM, or pass --no-browser');
}
const seconds = timeoutSeconds();

let finish;
const finished = new Promise((resolve) => {
  finish = resolve;
});
const port = await listen((message) => {
  if (message.type === 'test') printTest(message);
  else finish(message);
});

const profile = mkdtempSync(join(tmpdir(), 'holt-web-'));
const child = spawn(
  browser,
  [...FLAGS, `--user-data-dir=${profile}`, `http://127.0.0.1:${port}/tests/browser/index.html`],
  { stdio: ['ignore', 'ignore', 'pipe'], detached: true },
);
// However this process ends, the browser and the processes it started (one group) end with it.
process.on('exit', () => {
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // It is gone already.
  }
  rmSync(profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(1));

let said = '';
child.stderr.on('data', (part) => {
  said = (said + part).slice(-4000);
});
child.on('error', (error) => finish({ problem: `${browser} did not start: ${error.message}` }));
child.on('exit', (code, signal) => finish({ problem: `${browser} ended early (${signal ?? code})` }));
const timer = setTimeout(() => finish({ problem: `no result within ${seconds} s; the last test above is the one before it hung` }), seconds * 1000);

const end = await finished;
clearTimeout(timer);
if (end.problem !== undefined) fail(`${end.problem}${said && `\n${browser} said:\n${said}`}`);
console.log(`browser suite: ${end.agent}`);
if (end.failed !== 0) fail(`${end.failed} of ${end.passed + end.failed} tests failed`);
console.log(`browser suite: PASS: ${end.passed} tests`);
process.exit(0);
