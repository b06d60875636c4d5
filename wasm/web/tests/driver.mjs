// Runs a script of operations on one tree in memory, for suites in other languages.
//
//   node wasm/web/tests/driver.mjs < script.jsonl > results.jsonl
//
// The package must be built (`cargo run -p holt-xtask -- web`). Standard input is one JSON object
// a line; for each line, in order, one JSON object is written. Results are flushed when the input
// pauses, so that a caller may also wait for each result before it sends the next operation.
//
// KEYS AND VALUES are base64 (standard alphabet, padded) of their bytes. VERSIONS are decimal
// strings. NUMBERS are JSON numbers. Members in [brackets] may be left out or null.
//
//   operation                                                   result, beside "ok": true
//   {"op":"put","key":K,"value":V}                              (nothing)
//   {"op":"get","key":K}                                        "value": V | null, "version": N | null
//   {"op":"delete","key":K}                                     "deleted": true | false
//   {"op":"rename","src":K,"dst":K,["force":true]}              (nothing)
//   {"op":"batch","ops":[{"op":"put",…},{"op":"delete",…}]}     "applied": true | false
//   {"op":"scan",["prefix":K],["startAfter":K],                 "entries": [E, …]
//     ["delimiter":byte],["keysOnly":true],["limit":n]}
//   {"op":"page", the same, ["maxBytes":n]}                     "entries": [E, …], "next": K | null
//   {"op":"verify"}                                             "report": {…} as in index.d.ts
//   {"op":"stats"}                                              "stats": {…} as in index.d.ts
//   {"op":"compact"}                                            (nothing)
//   {"op":"maintain",["pages":n]}                               "more": true | false
//   {"op":"reset"}                                              (nothing; a new empty tree)
//
// An entry E is {"key":K,"value":V,"version":N}, without value if keysOnly, or {"prefix":K}.
// `scan` gives all entries up to `limit`, through as many calls as the package makes; `page` is
// one call.
//
// A failed operation gives {"ok":false,"code":"KEY_TOO_LONG","message":"…"} with the code of the
// HoltError, or "TYPE" for a TypeError of the package; it changed nothing and the script goes on.
// A line that is not an operation as above gives {"ok":false,"code":"PROTOCOL","message":"…"}.
// Blank lines are skipped and give no result. Exit status: 0 at the end of the input, 1 if the
// engine stopped.
import { createInterface } from 'node:readline';

import { HoltError, init, Tree } from '../pkg/node.js';

class ProtocolError extends Error {}

const CANONICAL = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

function bytes(operation, name) {
  const text = operation[name];
  if (typeof text !== 'string' || !CANONICAL.test(text)) throw new ProtocolError(`"${name}" must be base64`);
  // A plain array of its own: a Buffer may be a window of a shared pool.
  return new Uint8Array(Buffer.from(text, 'base64'));
}

const base64 = (array) => Buffer.from(array.buffer, array.byteOffset, array.length).toString('base64');

function entry(found) {
  if (found.type === 'prefix') return { prefix: base64(found.prefix) };
  const { key, value, version } = found;
  return {
    key: base64(key),
    ...(value !== undefined && { value: base64(value) }),
    version: version.toString(),
  };
}

function scanOptions(operation) {
  const options = {};
  for (const name of ['prefix', 'startAfter']) {
    if (operation[name] != null) options[name] = bytes(operation, name);
  }
  for (const name of ['delimiter', 'limit']) {
    if (operation[name] != null) options[name] = operation[name];
  }
  return options;
}

function batch(tree, { ops }) {
  if (!Array.isArray(ops)) throw new ProtocolError('"ops" must be an array');
  const applied = tree.atomic(ops.map((operation) => {
    const key = bytes(operation, 'key');
    if (operation.op === 'put') return { type: 'put', key, value: bytes(operation, 'value') };
    if (operation.op === 'delete') return { type: 'delete', key };
    throw new ProtocolError('an operation of a batch is "put" or "delete"');
  }));
  return { applied };
}

function get(tree, operation) {
  const record = tree.getRecord(bytes(operation, 'key'));
  if (record === undefined) return { value: null, version: null };
  return { value: base64(record.value), version: record.version.toString() };
}

function page(tree, operation) {
  const options = { ...scanOptions(operation), keysOnly: operation.keysOnly === true };
  if (operation.maxBytes != null) options.maxBytes = operation.maxBytes;
  const { entries, next } = tree.page(options);
  return { entries: entries.map(entry), next: next === null ? null : base64(next) };
}

const operations = {
  put: (tree, operation) => tree.put(bytes(operation, 'key'), bytes(operation, 'value')),
  get,
  delete: (tree, operation) => ({ deleted: tree.delete(bytes(operation, 'key')) }),
  rename: (tree, operation) => tree.rename(
    bytes(operation, 'src'), bytes(operation, 'dst'), { force: operation.force === true },
  ),
  batch,
  scan: (tree, operation) => {
    const options = scanOptions(operation);
    const scan = operation.keysOnly === true ? tree.scanKeys(options) : tree.scan(options);
    return { entries: Array.from(scan, entry) };
  },
  page,
  verify: (tree) => ({ report: tree.verify() }),
  stats: (tree) => ({ stats: tree.stats() }),
  compact: (tree) => tree.compact(),
  maintain: (tree, operation) => ({ more: tree.maintain(operation.pages ?? undefined) }),
};

function parse(line) {
  let operation;
  try {
    operation = JSON.parse(line);
  } catch (error) {
    throw new ProtocolError(`the line is not JSON: ${error.message}`);
  }
  if (operation?.op !== 'reset' && !Object.hasOwn(operations, operation?.op)) {
    throw new ProtocolError(`"op" must be one of reset, ${Object.keys(operations).join(', ')}`);
  }
  return operation;
}

function failure(error) {
  let code;
  if (error instanceof ProtocolError) code = 'PROTOCOL';
  else if (error instanceof HoltError) code = error.code;
  else if (error instanceof TypeError) code = 'TYPE';
  else throw error;
  return { ok: false, code, message: error.message };
}

await init();
let tree = Tree.memory();
for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
  if (line.trim() === '') continue;
  let result;
  try {
    const operation = parse(line);
    if (operation.op === 'reset') {
      tree.free();
      tree = Tree.memory();
      result = { ok: true };
    } else {
      result = { ok: true, ...operations[operation.op](tree, operation) };
    }
  } catch (error) {
    result = failure(error);
  }
  if (!process.stdout.write(`${JSON.stringify(result)}\n`)) {
    await new Promise((resolve) => {
      process.stdout.once('drain', resolve);
    });
  }
  if (result.code === 'ENGINE_STOPPED') {
    process.exitCode = 1;
    process.stdin.destroy();
    break;
  }
}
