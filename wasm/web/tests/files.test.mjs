// Stores in files in Node: the suite, locks of processes that ended, writers that are killed.
import assert from 'node:assert/strict';
import { execFile, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';

import * as holt from '../pkg/node.js';
import { files } from './suite/files.mjs';

const root = mkdtempSync(join(tmpdir(), 'holt-web-files-'));
after(() => rmSync(root, { recursive: true, force: true }));

let places = 0;
const place = () => {
  places += 1;
  return join(root, `store ${places}`);
};

files(test, holt, {
  fresh: async () => place(),
  bytes: async (where, name) => new Uint8Array(readFileSync(join(where, name))),
  put: async (where, name, bytes) => writeFileSync(join(where, name), bytes),
});

test('a store is two files and a lock, which goes with it', async () => {
  const where = place();
  const tree = await holt.Tree.open(pathToFileURL(where));
  assert.deepEqual(readdirSync(where).sort(), ['blobs.dat', 'holt-web.lock', 'journal.wal']);
  tree.free();
  assert.deepEqual(readdirSync(where).sort(), ['blobs.dat', 'journal.wal']);
});

test('a place that cannot be a directory is an error', async () => {
  const file = join(root, 'a file');
  writeFileSync(file, 'x');
  await assert.rejects(holt.Tree.open(file), { name: 'HoltError', code: 'BLOB_STORE_IO' });
});

/** The number of a process that has ended. */
const ended = () => spawnSync(process.execPath, ['-e', '']).pid;

test('the lock of a process that has ended keeps nobody out, whatever is left of it', async () => {
  const where = place();
  (await holt.Tree.open(where)).free();
  const id = '0f8fad5b-d9cb-469f-a165-70867728950e';
  const dead = ended();
  for (const left of [`${dead} ${id}`, '', '0 x', '\0'.repeat(60), `${'9'.repeat(30)} ${id}`]) {
    writeFileSync(join(where, 'holt-web.lock'), left);
    writeFileSync(join(where, 'holt-web.lock.r.1'), `${dead} ${id}`);
    writeFileSync(join(where, `holt-web.lock.n.${dead}.${id}`), '');
    writeFileSync(join(where, `holt-web.lock.t.${id}`), left);
    writeFileSync(join(where, 'holt-web.lock.old'), 'not ours');
    const tree = await holt.Tree.open(where, { lockWait: 0 });
    tree.put('k', 'v');
    await assert.rejects(holt.Tree.open(where, { lockWait: 0 }), { code: 'LOCKED' });
    tree.free();
    assert.deepEqual(readdirSync(where).sort(), ['blobs.dat', 'holt-web.lock.old', 'journal.wal']);
  }
});

test('an opening that fails half way gives the lock back', async () => {
  const where = place();
  mkdirSync(join(where, 'journal.wal'), { recursive: true });
  await assert.rejects(holt.Tree.open(where), { code: 'BLOB_STORE_IO' });
  assert.deepEqual(readdirSync(where).sort(), ['blobs.dat', 'journal.wal']);
});

test('of several processes one has a directory to write, or some to read', async () => {
  const where = place();
  mkdirSync(where);
  const script = fileURLToPath(new URL('locker.mjs', import.meta.url));
  const lockers = Array.from({ length: 5 }, () => new Promise((resolve, reject) => {
    execFile(process.execPath, [script, where, String(ended()), '150'], (error, output) => {
      if (error) reject(error);
      else resolve(JSON.parse(output));
    });
  }));
  for (const counts of await Promise.all(lockers)) assert.deepEqual(counts, { taken: 150, together: 0 });
  (await holt.Tree.open(where, { lockWait: 0 })).free();
  assert.deepEqual(readdirSync(where).sort(), ['blobs.dat', 'journal.wal']);
});

const WRITER = `
import { Tree } from ${JSON.stringify(new URL('../pkg/node.js', import.meta.url).href)};
const [where, first] = process.argv.slice(-2);
const tree = await Tree.open(where, { frameBytes: 16_384 });
for (let at = Number(first); ; at += 1) {
  tree.put('k' + at, 'value ' + at);
  if (at % 500 === 0) tree.checkpoint();
  process.stdout.write(at + '\\n');
}
`;

/** Writes from a number on in a process of its own, which is killed; the last write it reported. */
function killed(where, first, milliseconds) {
  const writer = spawn(process.execPath, ['--input-type=module', '-e', WRITER, '--', where, String(first)]);
  let output = '';
  let problem = '';
  writer.stdout.on('data', (part) => {
    // The time counts from the first write.
    if (output === '') setTimeout(() => writer.kill('SIGKILL'), milliseconds);
    output += part;
  });
  writer.stderr.on('data', (part) => {
    problem += part;
  });
  return new Promise((resolve, reject) => {
    writer.on('close', () => {
      const lines = output.split('\n').slice(0, -1);
      if (lines.length === 0) reject(new Error(`the writer wrote nothing: ${problem}`));
      else resolve(Number(lines.at(-1)));
    });
  });
}

test('nothing acknowledged is lost when the writer is killed, and its lock is no more', async () => {
  const where = place();
  let last = -1;
  for (const milliseconds of [5, 30, 80, 150]) {
    const acknowledged = await killed(where, last + 1, milliseconds);
    assert.ok(readdirSync(where).includes('holt-web.lock'), 'it left its lock');
    const tree = await holt.Tree.open(where);
    for (let at = 0; at <= acknowledged; at += 1) {
      assert.equal(Buffer.from(tree.get(`k${at}`) ?? []).toString(), `value ${at}`);
    }
    // One more may have been written than was told.
    last = tree.stats().records - 1;
    assert.ok(last >= acknowledged);
    assert.deepEqual(tree.verify().damage, []);
    tree.free();
  }
});

test('the driver opens a store in files again', () => {
  const key = Buffer.from('k').toString('base64');
  const lines = [
    { op: 'createTree', name: 't' }, { op: 'put', tree: 't', key, value: key }, { op: 'sync' }, { op: 'reopen' },
    { op: 'value', tree: 't', key }, { op: 'listTrees' }, { op: 'reset' },
  ];
  const driver = spawnSync(process.execPath, [fileURLToPath(new URL('driver.mjs', import.meta.url)), place(), '{"frameBytes":16384}'], {
    input: lines.map((line) => JSON.stringify(line)).join('\n'), encoding: 'utf8',
  });
  assert.equal(driver.status, 0, driver.stderr);
  const results = driver.stdout.trimEnd().split('\n').map((line) => JSON.parse(line));
  assert.deepEqual(results.slice(0, -1), [
    { ok: true }, { ok: true }, { ok: true }, { ok: true }, { ok: true, value: key }, { ok: true, names: ['t'] },
  ]);
  assert.equal(results.at(-1).code, 'PROTOCOL');
});
