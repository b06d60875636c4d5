// The package as a whole: its types against what it exports, its file list, the README's example,
// the driver's protocol, memory of forgotten trees.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import * as holt from '../pkg/node.js';
import { home } from '../pkg/lib/home.js';

const folder = (path) => fileURLToPath(new URL(path, import.meta.url));
const types = ['index', 'database', 'figures'].map((name) => readFileSync(folder(`../pkg/${name}.d.ts`), 'utf8')).join('\n');

/** The member names that a class or interface of `index.d.ts` declares. */
function declared(name) {
  const start = types.search(new RegExp(`^export (?:class|interface) ${name}\\b`, 'm'));
  assert.ok(start >= 0, `${name} is declared`);
  const body = types.slice(start, types.indexOf('\n}\n', start));
  const names = [...body.matchAll(/^ {2}(?:static |readonly )?(\w+|\[Symbol\.\w+\])\??[(:<]/gm)];
  return [...new Set(names.map((match) => match[1]))].sort();
}

const named = (keys) => keys
  .map((key) => (typeof key === 'symbol' ? `[${key.description.replace('nodejs.', 'Symbol.')}]` : key))
  .filter((key) => key !== 'constructor')
  .sort();

/** The members of a class and of those it extends. */
function members(prototype) {
  const own = [];
  for (let at = prototype; at !== Object.prototype; at = Object.getPrototypeOf(at)) own.push(...Reflect.ownKeys(at));
  return [...new Set(named(own))];
}

const readerMembers = () => named(Reflect.ownKeys(Object.getPrototypeOf(holt.Tree.prototype)));
const whole = (name, more) => [...declared(name), ...more].filter((member) => !['memory', 'open'].includes(member)).sort();

test('the types declare what Tree has', () => {
  assert.deepEqual(declared('Reader'), readerMembers());
  assert.deepEqual(whole('Tree', [...readerMembers(), ...declared('Upkeep')]), members(holt.Tree.prototype));
  for (const name of ['memory', 'open']) assert.equal(typeof holt.Tree[name], 'function');
});

test('the types declare what Snapshot and Database have', () => {
  assert.deepEqual(whole('Snapshot', readerMembers()), members(holt.Snapshot.prototype));
  assert.deepEqual(whole('Database', declared('Upkeep')), members(holt.Database.prototype));
  assert.deepEqual(declared('DatabaseSnapshot'), members(holt.DatabaseSnapshot.prototype));
  const image = Object.getPrototypeOf(holt.Database.memory().exportCheckpoint());
  assert.deepEqual([...declared('ImageExport'), 'next'].sort(), members(image).sort());
  for (const name of ['memory', 'open']) assert.equal(typeof holt.Database[name], 'function');
});

test('the types declare what the module exports', () => {
  const values = [...types.matchAll(/^export (?:class|function) (\w+)/gm)].map((match) => match[1]);
  assert.deepEqual(Object.keys(holt).sort(), values.sort());
});

test('the types declare the members of results', () => {
  const tree = holt.Tree.memory();
  tree.put('a/b', 'c');
  assert.deepEqual(Object.keys(tree.stats()).sort(), declared('TreeStats'));
  assert.deepEqual(Object.keys(tree.verify()).sort(), declared('VerifyReport'));
  assert.deepEqual(Object.keys(tree.getRecord('a/b')).sort(), declared('ValueRecord'));
  assert.deepEqual(Object.keys(tree.page()).sort(), declared('Page'));
  assert.deepEqual(Object.keys(tree.scan().next().value).sort(), declared('KeyEntry'));
  assert.deepEqual(Object.keys(tree.scanKeys().next().value).sort(), declared('KeyOnlyEntry'));
  assert.deepEqual(Object.keys(tree.scan({ delimiter: '/' }).next().value).sort(), declared('PrefixEntry'));
  assert.deepEqual(Object.keys(tree.longestPrefix('a/b/c')).sort(), [...declared('ValueRecord'), 'key'].sort());
  assert.deepEqual(Object.keys(tree.prefixCount('a')).sort(), declared('PrefixCount'));
  assert.deepEqual(Object.keys(tree.vacuum()).sort(), declared('VacuumStats'));
  assert.deepEqual(Object.keys(holt.buildInfo()).sort(), declared('BuildInfo'));
  assert.deepEqual(Object.keys(holt.buildInfo().limits).sort(), declared('Limits'));
  tree.atomic((batch) => {
    assert.deepEqual(members(Object.getPrototypeOf(batch)), declared('Batch'));
  });
  const database = holt.Database.memory({ feedRetention: 1000 });
  const one = database.createTree('t');
  const from = one.lastLsn();
  database.atomic((batch) => {
    assert.deepEqual(members(Object.getPrototypeOf(batch)), declared('DatabaseBatch'));
    batch.put('t', 'k', 'v');
  });
  assert.deepEqual(Object.keys(one.changesSince(from)).sort(), declared('ChangePage'));
  assert.deepEqual(Object.keys(one.changesSince(from).changes[0]).sort(), declared('Change'));
  assert.deepEqual(Object.keys(database.stats()).sort(), declared('DatabaseStats'));
  assert.deepEqual(Object.keys(database.stats().trees[0]).sort(), declared('NamedTreeStats'));
});

test('every code of the engine is declared', () => {
  const source = readFileSync(folder('../src/fault.rs'), 'utf8');
  const codes = [...source.matchAll(/=> "([A-Z_]+)"/g)].map((match) => match[1]);
  assert.ok(codes.length > 10);
  for (const code of codes) assert.ok(types.includes(`| '${code}'`), code);
});

test("the README's example runs as it is written", () => {
  const readme = readFileSync(folder('../pkg/README.md'), 'utf8');
  const example = readme.match(/```js\n([\s\S]*?)```/)[1];
  // Inside the package its own name resolves through its `exports`.
  const output = execFileSync(process.execPath, ['--input-type=module', '-e', example], {
    cwd: folder('../pkg'), encoding: 'utf8',
  });
  assert.match(output, /type: 'key'/);
  assert.match(output, /type: 'prefix'/);
  assert.match(output, /^true 2$/m);
});

test('npm would publish the package whole and nothing else', () => {
  const npm = spawnSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: folder('../pkg'), encoding: 'utf8',
  });
  assert.equal(npm.status, 0, npm.stderr);
  const files = JSON.parse(npm.stdout)[0].files.map(({ path }) => path).sort();
  const lib = [
    'batch', 'bytes', 'database', 'database-snapshot', 'errors', 'feed', 'files', 'home', 'image', 'iteration',
    'journal', 'options', 'page', 'reader', 'scan', 'snapshot', 'store', 'tree', 'upkeep', 'wire',
  ];
  assert.deepEqual(files, [
    'README.md', 'database.d.ts', 'figures.d.ts', 'index.d.ts', ...lib.map((name) => `lib/${name}.js`), 'files-node.js', 'files-web.js', 'lock-node.js', 'node.js', 'node/holt_web.js',
    'node/holt_web_bg.wasm', 'node/package.json', 'package.json', 'web.js', 'web/holt_web.js',
    'web/holt_web_bg.wasm',
  ].sort());
});

test('the lock file names no host', () => {
  assert.doesNotMatch(readFileSync(folder('package-lock.json'), 'utf8'), /https?:/);
});

function drive(lines) {
  const driver = spawnSync(process.execPath, [folder('driver.mjs')], {
    input: lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n'),
    encoding: 'utf8',
  });
  assert.equal(driver.status, 0, driver.stderr);
  return driver.stdout.trimEnd().split('\n').map((line) => JSON.parse(line));
}

test('the driver answers each operation', () => {
  const [a, ab, one] = ['a', 'a/b', '1'].map((text) => Buffer.from(text).toString('base64'));
  const results = drive([
    { op: 'put', key: a, value: one },
    { op: 'get', key: a },
    '',
    { op: 'get', key: ab },
    { op: 'batch', ops: [{ op: 'put', key: ab, value: '' }, { op: 'delete', key: a }] },
    { op: 'scan', delimiter: 47 },
    { op: 'page', keysOnly: true, prefix: a, startAfter: null, limit: 1, maxBytes: 1 },
    { op: 'rename', src: ab, dst: a, force: true },
    { op: 'rename', src: ab, dst: a },
    { op: 'delete', key: a },
    { op: 'delete', key: a },
    { op: 'put', key: Buffer.alloc(65_536).toString('base64'), value: '' },
    '{"op":"put","key":"a","value":""}',
    '{"op":"toString"}',
    'no JSON',
    { op: 'reset' },
    { op: 'stats' },
  ]);
  const versions = results.map(({ version }) => version).filter(Boolean);
  assert.deepEqual(versions, [results[1].version]);
  const seen = results.map(({ message, version, ...result }) => result);
  assert.equal(typeof seen.pop().stats.records, 'number');
  const pageVersion = results[5].entries[0].version;
  assert.match(pageVersion, /^\d+$/);
  assert.deepEqual(seen, [
    { ok: true },
    { ok: true, value: one },
    { ok: true, value: null },
    { ok: true, applied: true },
    { ok: true, entries: [{ prefix: Buffer.from('a/').toString('base64') }] },
    { ok: true, entries: [{ key: ab, version: pageVersion }], next: null, token: null, consistent: true },
    { ok: true },
    { ok: false, code: 'NOT_FOUND' },
    { ok: true, deleted: true },
    { ok: true, deleted: false },
    { ok: false, code: 'KEY_TOO_LONG' },
    { ok: false, code: 'PROTOCOL' },
    { ok: false, code: 'PROTOCOL' },
    { ok: false, code: 'PROTOCOL' },
    { ok: true },
  ]);
});

test('forgotten trees give their memory back', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc');
  const value = new Uint8Array(1 << 20);
  for (let round = 0; round < 40; round += 1) {
    for (let at = 0; at < 4; at += 1) {
      const tree = holt.Tree.memory();
      for (let key = 0; key < 10; key += 1) tree.put(`k${key}`, value);
      // Each keeps the whole tree.
      tree.snapshot();
    }
    collect();
    // Finalizers run between tasks.
    await new Promise((resolve) => {
      setTimeout(resolve, 0);
    });
  }
  const bytes = home.memory.buffer.byteLength;
  assert.ok(bytes < 800 << 20, `1.6 GiB went through forgotten trees, ${bytes >> 20} MiB are in use`);
});
