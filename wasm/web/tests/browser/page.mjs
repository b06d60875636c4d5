// The page's part: loading, the whole suite, and the suite's methods in a worker.
import * as holt from '/pkg/web.js';
import { equal, holtErrors, ok, rejected } from '../suite/check.mjs';
import { all } from '../suite/all.mjs';
import { report, run } from './harness.mjs';

for (const event of ['error', 'unhandledrejection']) {
  addEventListener(event, ({ message, reason }) => {
    report({ type: 'end', problem: `${event}: ${message ?? reason?.stack ?? reason}` });
  });
}

function loading(test) {
  test('before init every call says so', () => {
    const throwsHolt = holtErrors(holt.HoltError);
    throwsHolt(() => holt.Tree.memory(), 'NOT_READY', 'await init()');
    throwsHolt(() => holt.buildInfo(), 'NOT_READY');
  });

  test('a module that cannot be loaded is an error, and init may be called again', async () => {
    let failed = false;
    await holt.init('/pkg/web/missing.wasm').catch(() => {
      failed = true;
    });
    equal(failed, true);
    const [one, two] = [holt.init(), holt.init()];
    equal(one === two, true, 'one load for all');
    await one;
    equal(holt.Tree.memory().get('k'), undefined);
  });

  test('a store in files is opened in a worker', async () => {
    const throwsHolt = holtErrors(holt.HoltError);
    throwsHolt(await rejected(holt.Tree.open('store')), 'INVALID_ARGUMENT', 'worker');
  });

  test('no special headers are needed', () => {
    equal(crossOriginIsolated, false);
    equal(typeof SharedArrayBuffer, 'undefined');
  });
}

/** Asks a worker with a store in files; `enough` says at which answer it is terminated. */
function asked(message, enough) {
  return new Promise((resolve, reject) => {
    const worker = new Worker('writer.mjs', { type: 'module' });
    worker.onmessage = ({ data }) => {
      if (!enough(data)) return;
      worker.terminate();
      resolve(data);
    };
    worker.onerror = (event) => {
      event.preventDefault();
      reject(new Error(event.message));
    };
    worker.postMessage(message);
  });
}

function lasting(test) {
  test('nothing acknowledged is lost when the worker is terminated', async () => {
    const place = `terminated/${performance.timeOrigin}`;
    let first = 0;
    for (const count of [50, 700, 300]) {
      const last = await asked({ place, first }, (at) => at >= first + count);
      const { records, missing, clean } = await asked({ place, last }, () => true);
      equal([missing, clean], [[], true], `after ${last}`);
      ok(records > last, 'all that was told is there');
      first = records;
    }
  });
}

function inWorker() {
  return new Promise((resolve) => {
    const worker = new Worker('worker.mjs', { type: 'module' });
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = ({ message }) => report({ type: 'end', problem: `worker: ${message}` });
  });
}

const counts = [
  await run('page', loading),
  await run('page', (test) => all(test, holt)),
  await run('page', lasting),
  await inWorker(),
];
const sum = (name) => counts.reduce((total, count) => total + count[name], 0);
ok(sum('passed') + sum('failed') > 0, 'some tests ran');
await report({ type: 'end', passed: sum('passed'), failed: sum('failed'), agent: navigator.userAgent });
