// Batches being collected, in the packed form (its layout is in `wasm/web/src/pack.rs`).
import { write } from './bytes.js';
import { invalid, wrongType } from './errors.js';
import { home } from './home.js';
import { flag, known, treeName, word } from './options.js';

const HEADER_BYTES = 19;
const NAME_HEADER_BYTES = 4;

// Kinds of operations.
const DELETE = 0;
export const PUT = 1;
const PUT_IF_ABSENT = 2;
const COMPARE_AND_PUT = 3;
const DELETE_IF_VERSION = 4;
const ASSERT_VERSION = 5;
const ASSERT_ABSENT = 6;
const ASSERT_PREFIX_EMPTY = 7;
// The kind after each is the same with `force`.
const RENAME = 8;
const RENAME_PREFIX = 10;
const DELETE_PREFIX = 12;

/** Packed operations so far; keys and values are copied at once. */
export class Packer {
  #wire;
  #bytes = new Uint8Array(1024);
  #view = new DataView(this.#bytes.buffer);
  #used = 0;
  #payload = 0;
  count = 0;

  constructor(wire) {
    this.#wire = wire;
  }

  /** The wire, as long as operations may be added. */
  get wire() {
    if (this.#wire === undefined) {
      throw invalid('this batch was applied already; use the one that atomic() passes in');
    }
    return this.#wire;
  }

  /** Adds an operation on `{ key, value }`, `{ src, dst }` or `{ prefix }`. */
  add(tree, kind, pieces, version = 0n) {
    const { wire } = this;
    const [[firstWhat, first], [secondWhat, second] = ['value', '']] = Object.entries(pieces);
    const firstRoom = wire.checkKey(first, firstWhat);
    const secondRoom = secondWhat === 'value'
      ? wire.checkValue(second, secondWhat) : wire.checkKey(second, secondWhat);
    const { batchOps, batchBytes } = home.info.limits;
    if (this.count === batchOps) wire.refuseBatchOps(this.count + 1);
    this.#grow(this.#used + HEADER_BYTES + firstRoom + secondRoom);
    const at = this.#used + HEADER_BYTES;
    const firstBytes = write(this.#bytes, at, first, firstRoom, firstWhat);
    const secondBytes = write(this.#bytes, at + firstBytes, second, secondRoom, secondWhat);
    // The engine counts a little more; this bounds what is collected.
    const payload = this.#payload + firstBytes + secondBytes;
    if (payload > batchBytes) wire.refuseBatchBytes(payload);
    this.#bytes[this.#used] = kind;
    this.#view.setUint16(this.#used + 1, tree, true);
    this.#view.setUint32(this.#used + 3, firstBytes, true);
    this.#view.setUint32(this.#used + 7, secondBytes, true);
    this.#view.setBigUint64(this.#used + 11, version, true);
    this.#used = at + firstBytes + secondBytes;
    this.#payload = payload;
    this.count += 1;
  }

  #grow(bytes) {
    if (bytes <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(bytes, this.#bytes.length * 2));
    grown.set(this.#bytes.subarray(0, this.#used));
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }

  /** Ends the collecting and gives the packed bytes. */
  close() {
    this.#wire = undefined;
    const packed = this.#bytes.subarray(0, this.#used);
    this.#bytes = new Uint8Array(0);
    return packed;
  }
}

const kindOf = (kind, options, what) => kind + Number(flag(known(options, ['force'], what).force, 'force'));

/** What the batch of one tree and the batch of a database have in common. */
class Operations {
  #packer;

  constructor(packer) {
    this.#packer = packer;
  }

  /** How many operations there are, guards included. */
  get size() {
    return this.#packer.count;
  }
}

/** The operations of one tree. */
export class Batch extends Operations {
  #packer;

  constructor(packer) {
    super(packer);
    this.#packer = packer;
  }

  #add(kind, pieces, version) {
    this.#packer.add(0, kind, pieces, version);
    return this;
  }

  put(key, value) {
    return this.#add(PUT, { key, value });
  }

  putIfAbsent(key, value) {
    return this.#add(PUT_IF_ABSENT, { key, value });
  }

  compareAndPut(key, version, value) {
    return this.#add(COMPARE_AND_PUT, { key, value }, word(version, 'version'));
  }

  delete(key) {
    return this.#add(DELETE, { key });
  }

  deleteIfVersion(key, version) {
    return this.#add(DELETE_IF_VERSION, { key }, word(version, 'version'));
  }

  assertVersion(key, version) {
    return this.#add(ASSERT_VERSION, { key }, word(version, 'version'));
  }

  assertAbsent(key) {
    return this.#add(ASSERT_ABSENT, { key });
  }

  assertPrefixEmpty(prefix) {
    return this.#add(ASSERT_PREFIX_EMPTY, { prefix });
  }

  rename(src, dst, options) {
    return this.#add(kindOf(RENAME, options, 'rename'), { src, dst });
  }

  renamePrefix(src, dst, options) {
    return this.#add(kindOf(RENAME_PREFIX, options, 'renamePrefix'), { src, dst });
  }

  deletePrefix(prefix) {
    return this.#add(DELETE_PREFIX, { prefix });
  }
}

/** The operations of a database, each with the name of its tree first. */
export class DatabaseBatch extends Operations {
  #packer;
  #names;

  /** `names` collects the packed name of each tree. */
  constructor(packer, names) {
    super(packer);
    this.#packer = packer;
    this.#names = names;
  }

  #add(tree, kind, pieces, version) {
    this.#packer.add(this.#names.number(this.#packer.wire, tree), kind, pieces, version);
    return this;
  }

  put(tree, key, value) {
    return this.#add(tree, PUT, { key, value });
  }

  putIfAbsent(tree, key, value) {
    return this.#add(tree, PUT_IF_ABSENT, { key, value });
  }

  compareAndPut(tree, key, version, value) {
    return this.#add(tree, COMPARE_AND_PUT, { key, value }, word(version, 'version'));
  }

  delete(tree, key) {
    return this.#add(tree, DELETE, { key });
  }

  deleteIfVersion(tree, key, version) {
    return this.#add(tree, DELETE_IF_VERSION, { key }, word(version, 'version'));
  }

  assertVersion(tree, key, version) {
    return this.#add(tree, ASSERT_VERSION, { key }, word(version, 'version'));
  }

  assertAbsent(tree, key) {
    return this.#add(tree, ASSERT_ABSENT, { key });
  }

  assertPrefixEmpty(tree, prefix) {
    return this.#add(tree, ASSERT_PREFIX_EMPTY, { prefix });
  }

  rename(tree, src, dst, options) {
    return this.#add(tree, kindOf(RENAME, options, 'rename'), { src, dst });
  }

  renamePrefix(tree, src, dst, options) {
    return this.#add(tree, kindOf(RENAME_PREFIX, options, 'renamePrefix'), { src, dst });
  }

  deletePrefix(tree, prefix) {
    return this.#add(tree, DELETE_PREFIX, { prefix });
  }
}

/** Byte arrays one after the other, each with its length. */
export function framed(pieces) {
  const bytes = pieces.reduce((sum, { length }) => sum + NAME_HEADER_BYTES + length, 0);
  const packed = new Uint8Array(bytes);
  const view = new DataView(packed.buffer);
  let at = 0;
  for (const piece of pieces) {
    view.setUint32(at, piece.length, true);
    packed.set(piece, at + NAME_HEADER_BYTES);
    at += NAME_HEADER_BYTES + piece.length;
  }
  return packed;
}

/** The trees of a batch, numbered in the order of their first operation. */
export class Names {
  #numbers = new Map();
  #packed = [];

  number(wire, name) {
    const known = this.#numbers.get(name);
    if (known !== undefined) return known;
    const bytes = treeName(wire, name);
    if (this.#packed.length === home.info.limits.trees) {
      throw invalid(`a batch names at most ${this.#packed.length} trees; split it`);
    }
    this.#numbers.set(name, this.#packed.length);
    this.#packed.push(bytes);
    return this.#packed.length - 1;
  }

  /** Each name with its length. */
  pack() {
    return framed(this.#packed);
  }
}

// The members of an operation given as an object, in the order of the method of its type.
const MEMBERS = {
  put: ['key', 'value'],
  putIfAbsent: ['key', 'value'],
  compareAndPut: ['key', 'version', 'value'],
  delete: ['key'],
  deleteIfVersion: ['key', 'version'],
  assertVersion: ['key', 'version'],
  assertAbsent: ['key'],
  assertPrefixEmpty: ['prefix'],
  rename: ['src', 'dst', 'force'],
  renamePrefix: ['src', 'dst', 'force'],
  deletePrefix: ['prefix'],
};

function addAll(batch, ops) {
  const named = batch instanceof DatabaseBatch;
  for (const [index, op] of ops.entries()) {
    if (typeof op !== 'object' || op === null) {
      throw wrongType(`operation ${index} of the batch`, 'an object', op);
    }
    const { type } = op;
    if (typeof type !== 'string' || !Object.hasOwn(MEMBERS, type)) {
      throw new TypeError(`operation ${index} of the batch must have a type: ${Object.keys(MEMBERS).join(', ')}`);
    }
    const members = MEMBERS[type].map((name) => (name === 'force' ? { force: op.force } : op[name]));
    if (named) members.unshift(op.tree);
    batch[type](...members);
  }
}

/** Fills a batch with what the caller of `atomic` gave, and ends it; returns the packed bytes. */
export function fillBatch(batch, packer, fill) {
  try {
    if (typeof fill === 'function') {
      if (typeof fill(batch)?.then === 'function') {
        throw new TypeError('the function of atomic must not be async: collect first, then call it');
      }
    } else if (Array.isArray(fill)) {
      addAll(batch, fill);
    } else {
      throw wrongType('the batch of atomic', 'a function or an array of operations', fill);
    }
  } catch (error) {
    packer.close();
    throw error;
  }
  return packer.close();
}
