// Runs a script of operations on one store, for suites in other languages: in memory, or in the
// files of a directory.
//
//   node wasm/web/tests/driver.mjs [DIRECTORY [OPTIONS]] < script.jsonl > results.jsonl
//
// OPTIONS are those of `Database.open` as JSON. The package must be built (`cargo run -p holt-xtask -- web`). Standard input is one JSON object
// a line; for each line, in order, one JSON object is written. Results are flushed when the input
// pauses, so that a caller may also wait for each result before it sends the next operation.
//
// KEYS, VALUES, TOKENS are base64 (standard alphabet, padded) of their bytes. VERSIONS are decimal
// strings. NUMBERS are JSON numbers. Members in [brackets] may be left out or null.
//
//   reads                                                       result, beside "ok": true
//   {"op":"get","key":K}                                        "value": V | null, "version": N | null
//   {"op":"value","key":K}                                      "value": V | null
//   {"op":"version","key":K}                                    "version": N | null
//   {"op":"has","key":K}                                        "has": true | false
//   {"op":"getMany","keys":[K, …]}                              "values": [V | null, …]
//   {"op":"longestPrefix","query":K}                            "entry": E | null
//   {"op":"isPrefixEmpty","prefix":K}                           "empty": true | false
//   {"op":"prefixCount","prefix":K,["limit":n]}                 "count": n, "exact": true | false
//   {"op":"scan",["prefix":K],["startAfter":K],["startAt":K],   "entries": [E, …]
//     ["endBefore":K],["reverse":true],["delimiter":byte],
//     ["keysOnly":true],["limit":n]}
//   {"op":"page", the same, ["maxBytes":n],["token":T]}         "entries": [E, …], "next": K | null,
//                                                               "token": T | null, "consistent": …
//   A read is of the tree; with "slot":n of the snapshot there, with "view":K of a view of the tree
//   under that prefix, with "tree":name of a named tree.
//
//   writes; with "tree":name of a named tree
//   {"op":"put","key":K,"value":V}                              (nothing)
//   {"op":"insert","key":K,"value":V}                           "value": V | null
//   {"op":"putIfAbsent","key":K,"value":V}                      "done": true | false
//   {"op":"compareAndPut","key":K,"version":N,"value":V}        "done": true | false
//   {"op":"putMany","records":[[K,V], …]}                       (nothing)
//   {"op":"putManyIfAbsent","records":[[K,V], …]}               "each": [true | false, …]
//   {"op":"delete","key":K}                                     "deleted": true | false
//   {"op":"remove","key":K}                                     "value": V | null
//   {"op":"deleteIfVersion","key":K,"version":N}                "done": true | false
//   {"op":"rename","src":K,"dst":K,["force":true]}              (nothing)
//   {"op":"renamePrefix","src":K,"dst":K,["force":true]}        "count": n
//   {"op":"deletePrefix","prefix":K}                            "count": n
//   {"op":"batch","ops":[{"op":"put",…},{"op":"delete",…}, …]}  "applied": true | false
//     operations: put, putIfAbsent, compareAndPut, delete, deleteIfVersion, assertVersion,
//     assertAbsent, assertPrefixEmpty, rename, renamePrefix, deletePrefix
//   {"op":"txn","ops":[…]}                                      (nothing)
//
//   snapshots, named trees
//   {"op":"snapshot","slot":n,"prefix":K}                       (nothing; the old one is freed)
//   {"op":"dropSnapshot","slot":n}                              (nothing)
//   {"op":"createTree" | "openTree" | "openOrCreateTree" | "dropTree","name":name}    (nothing)
//   {"op":"listTrees"}                                          "names": [name, …]
//   {"op":"across","ops":[{"op":"put","tree":name,…}, …]}       "applied": true | false
//
//   upkeep
//   {"op":"verify"}                                             "report": {…} as in index.d.ts
//   {"op":"stats"}                                              "stats": {…} as in index.d.ts
//   {"op":"checkpoint" | "compact" | "vacuum" | "sync"}         (nothing)
//   {"op":"maintain",["pages":n]}                               "more": true | false
//   {"op":"gc"}                                                 "count": n
//   {"op":"reset"}                                              (nothing; a new store, all empty; in
//                                                               memory only)
//   {"op":"reopen"}                                             (nothing; closes and opens the store;
//                                                               in files only)
//
// An entry E is {"key":K,"value":V,"version":N}, without value if keysOnly, or {"prefix":K}.
// `scan` gives all entries up to `limit`, through as many calls as the package makes; `page` is
// one call. The handle of a named tree is kept from its creation or last opening on; a name
// without one is opened. The tree without a name is one of the store's own, which is not listed.
//
// A failed operation gives {"ok":false,"code":"KEY_TOO_LONG","message":"…"} with the code of the
// HoltError, "TYPE" for a TypeError of the package, or "NO_SNAPSHOT" for an empty slot; it changed
// nothing and the script goes on.
// A line that is not an operation as above gives {"ok":false,"code":"PROTOCOL","message":"…"}.
// Blank lines are skipped and give no result. Exit status: 0 at the end of the input, 1 if the
// engine stopped.
import { createInterface } from 'node:readline';

import { Database, HoltError, init } from '../pkg/node.js';

const MAIN = 'the tree without a name';
const [directory, options = '{}'] = process.argv.slice(2);

const open = async () => (
  directory === undefined ? Database.memory() : Database.open(directory, JSON.parse(options))
);

class ProtocolError extends Error {}

class NoSnapshot extends Error {}

function decoded(text, name) {
  const buffer = typeof text === 'string' ? Buffer.from(text, 'base64') : null;
  // Node skips what is not base64, so only the way back shows it.
  if (buffer?.toString('base64') !== text) throw new ProtocolError(`"${name}" must be base64`);
  // A plain array of its own: a Buffer may be a window of a shared pool.
  return new Uint8Array(buffer);
}

const bytes = (operation, name) => decoded(operation[name], name);

const base64 = (array) => Buffer.from(array.buffer, array.byteOffset, array.length).toString('base64');

const optional = (array) => (array == null ? null : base64(array));

function array(operation, name) {
  if (!Array.isArray(operation[name])) throw new ProtocolError(`"${name}" must be an array`);
  return operation[name];
}

function version(operation) {
  const text = operation.version;
  if (typeof text !== 'string' || !/^\d+$/.test(text)) throw new ProtocolError('"version" must be digits');
  return BigInt(text);
}

function entry(found) {
  if (found.type === 'prefix') return { prefix: base64(found.prefix) };
  const { key, value, version: of } = found;
  return {
    key: base64(key),
    ...(value !== undefined && { value: base64(value) }),
    version: of.toString(),
  };
}

function scanOptions(operation) {
  const options = {};
  for (const name of ['prefix', 'startAfter', 'startAt', 'endBefore']) {
    if (operation[name] != null) options[name] = bytes(operation, name);
  }
  for (const name of ['delimiter', 'limit', 'reverse']) {
    if (operation[name] != null) options[name] = operation[name];
  }
  return options;
}

const pairs = (operation) => array(operation, 'records').map(
  ([key, value]) => [decoded(key, 'key'), decoded(value, 'value')],
);

const force = (operation) => ({ force: operation.force === true });

/** What an operation of a batch has beside its name. */
const BATCH = {
  put: ['key', 'value'],
  putIfAbsent: ['key', 'value'],
  compareAndPut: ['key', 'version', 'value'],
  delete: ['key'],
  deleteIfVersion: ['key', 'version'],
  assertVersion: ['key', 'version'],
  assertAbsent: ['key'],
  assertPrefixEmpty: ['prefix'],
  rename: ['src', 'dst'],
  renamePrefix: ['src', 'dst'],
  deletePrefix: ['prefix'],
};

function batch(operation) {
  return array(operation, 'ops').map((change) => {
    if (!Object.hasOwn(BATCH, change.op)) {
      throw new ProtocolError(`an operation of a batch is one of ${Object.keys(BATCH).join(', ')}`);
    }
    const result = { type: change.op };
    for (const name of BATCH[change.op]) {
      result[name] = name === 'version' ? version(change) : bytes(change, name);
    }
    if ('src' in result) result.force = change.force === true;
    if (change.tree != null) result.tree = change.tree;
    return result;
  });
}

const reads = {
  get: (from, operation) => {
    const record = from.getRecord(bytes(operation, 'key'));
    if (record === undefined) return { value: null, version: null };
    return { value: base64(record.value), version: record.version.toString() };
  },
  value: (from, operation) => ({ value: optional(from.get(bytes(operation, 'key'))) }),
  version: (from, operation) => ({
    version: from.getVersion(bytes(operation, 'key'))?.toString() ?? null,
  }),
  has: (from, operation) => ({ has: from.has(bytes(operation, 'key')) }),
  getMany: (from, operation) => ({
    values: from.getMany(array(operation, 'keys').map((key) => decoded(key, 'keys'))).map(optional),
  }),
  longestPrefix: (from, operation) => {
    const found = from.longestPrefix(bytes(operation, 'query'));
    return { entry: found === undefined ? null : entry(found) };
  },
  isPrefixEmpty: (from, operation) => ({ empty: from.isPrefixEmpty(bytes(operation, 'prefix')) }),
  prefixCount: (from, operation) => {
    const options = operation.limit == null ? {} : { limit: operation.limit };
    return from.prefixCount(bytes(operation, 'prefix'), options);
  },
  scan: (from, operation) => {
    const options = scanOptions(operation);
    const scan = operation.keysOnly === true ? from.scanKeys(options) : from.scan(options);
    return { entries: Array.from(scan, entry) };
  },
  page: (from, operation) => {
    const options = { ...scanOptions(operation), keysOnly: operation.keysOnly === true };
    if (operation.maxBytes != null) options.maxBytes = operation.maxBytes;
    if (operation.token != null) options.token = bytes(operation, 'token');
    const { entries, next, token, consistent } = from.page(options);
    return { entries: entries.map(entry), next: optional(next), token: optional(token), consistent };
  },
};

const writes = {
  put: (to, operation) => to.put(bytes(operation, 'key'), bytes(operation, 'value')),
  insert: (to, operation) => ({
    value: optional(to.insert(bytes(operation, 'key'), bytes(operation, 'value'))),
  }),
  putIfAbsent: (to, operation) => ({
    done: to.putIfAbsent(bytes(operation, 'key'), bytes(operation, 'value')),
  }),
  compareAndPut: (to, operation) => ({
    done: to.compareAndPut(bytes(operation, 'key'), version(operation), bytes(operation, 'value')),
  }),
  putMany: (to, operation) => to.putMany(pairs(operation)),
  putManyIfAbsent: (to, operation) => ({ each: to.putManyIfAbsent(pairs(operation)) }),
  delete: (to, operation) => ({ deleted: to.delete(bytes(operation, 'key')) }),
  remove: (to, operation) => ({ value: optional(to.remove(bytes(operation, 'key'))) }),
  deleteIfVersion: (to, operation) => ({
    done: to.deleteIfVersion(bytes(operation, 'key'), version(operation)),
  }),
  rename: (to, operation) => to.rename(bytes(operation, 'src'), bytes(operation, 'dst'), force(operation)),
  renamePrefix: (to, operation) => ({
    count: to.renamePrefix(bytes(operation, 'src'), bytes(operation, 'dst'), force(operation)),
  }),
  deletePrefix: (to, operation) => ({ count: to.deletePrefix(bytes(operation, 'prefix')) }),
  batch: (to, operation) => ({ applied: to.atomic(batch(operation)) }),
  txn: (to, operation) => to.txn(batch(operation)),
};

/** A store with its tree, and all that a script holds of it. */
class Store {
  handles = new Map();
  snapshots = new Map();

  constructor(db) {
    this.db = db;
    this.tree = db.openOrCreateTree(MAIN);
  }

  free() {
    for (const handle of [...this.snapshots.values(), ...this.handles.values(), this.tree, this.db]) handle.free();
  }

  named(name) {
    if (!this.handles.has(name)) this.handles.set(name, this.db.openTree(name));
    return this.handles.get(name);
  }

  keep(map, name, handle) {
    map.get(name)?.free();
    map.set(name, handle);
  }

  snapshot(slot) {
    const found = this.snapshots.get(slot);
    if (found === undefined) throw new NoSnapshot(`nothing in slot ${slot}`);
    return found;
  }

  read(operation) {
    const read = reads[operation.op];
    if (operation.slot != null) return read(this.snapshot(operation.slot), operation);
    if (operation.tree != null) return read(this.named(operation.tree), operation);
    if (operation.view == null) return read(this.tree, operation);
    return this.tree.view(bytes(operation, 'view'), (view) => read(view, operation));
  }

  write(operation) {
    const tree = operation.tree == null ? this.tree : this.named(operation.tree);
    return writes[operation.op](tree, operation);
  }
}

const whole = {
  snapshot: (store, operation) => {
    const taken = store.tree.snapshot(bytes(operation, 'prefix'));
    store.keep(store.snapshots, operation.slot, taken);
  },
  dropSnapshot: (store, operation) => {
    store.snapshot(operation.slot).free();
    store.snapshots.delete(operation.slot);
  },
  createTree: (store, { name }) => store.keep(store.handles, name, store.db.createTree(name)),
  openTree: (store, { name }) => store.keep(store.handles, name, store.db.openTree(name)),
  openOrCreateTree: (store, { name }) => store.keep(store.handles, name, store.db.openOrCreateTree(name)),
  dropTree: (store, { name }) => store.db.dropTree(name),
  listTrees: (store) => ({ names: store.db.listTrees().filter((name) => name !== MAIN) }),
  across: (store, operation) => ({ applied: store.db.atomic(batch(operation)) }),
  verify: (store) => ({ report: store.db.verify() }),
  stats: (store) => ({ stats: store.tree.stats() }),
  checkpoint: (store) => store.db.checkpoint(),
  sync: (store) => store.db.sync(),
  compact: (store) => store.db.compact(),
  maintain: (store, operation) => ({ more: store.db.maintain(operation.pages ?? undefined) }),
  gc: (store) => ({ count: store.db.gc() }),
  vacuum: (store) => {
    store.db.vacuum();
  },
};

function run(store, operation) {
  if (Object.hasOwn(reads, operation.op)) return store.read(operation);
  if (Object.hasOwn(writes, operation.op)) return store.write(operation);
  return whole[operation.op](store, operation);
}

function parse(line) {
  let operation;
  try {
    operation = JSON.parse(line);
  } catch (error) {
    throw new ProtocolError(`the line is not JSON: ${error.message}`);
  }
  const known = [directory === undefined ? 'reset' : 'reopen', ...Object.keys(reads), ...Object.keys(writes), ...Object.keys(whole)];
  if (!known.includes(operation?.op)) throw new ProtocolError(`"op" must be one of ${known.join(', ')}`);
  return operation;
}

function failure(error) {
  let code;
  if (error instanceof ProtocolError) code = 'PROTOCOL';
  else if (error instanceof NoSnapshot) code = 'NO_SNAPSHOT';
  else if (error instanceof HoltError) code = error.code;
  else if (error instanceof TypeError) code = 'TYPE';
  else throw error;
  return { ok: false, code, message: error.message };
}

await init();
let store = new Store(await open());
for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
  if (line.trim() === '') continue;
  let result;
  try {
    const operation = parse(line);
    if (operation.op === 'reset' || operation.op === 'reopen') {
      store.free();
      store = new Store(await open());
      result = { ok: true };
    } else {
      result = { ok: true, ...run(store, operation) };
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
