// One handle's side of the calls into wasm: where arguments are written and results are read.
//
// The calls and buffers are described in `wasm/web/src/lib.rs`. A wire is never shared.
import { byteLength, check, roomFor, write } from './bytes.js';
import { HoltError, freed } from './errors.js';
import { home, stop } from './home.js';

/** Status numbers of the calls. */
export const NO = 0;
const FAILED = 2;

// Buffers over this are given back after the call, as in `wasm/web/src/engine.rs`.
const KEEP_BYTES = 256 * 1024;

// Words of the answer block, counted in 32 bits.
const OUTPUT_AT = 0;
const OUTPUT_BYTES = 2;
const ENTRIES = 6;
const EXTRA = 8;

// The length of what is not given, and bits of the flags of a page, as in `wasm/web/src/read.rs`.
const ABSENT = 0xffff_ffff;
const KEYS_ONLY = 1;
const REVERSE = 2;
const INCLUSIVE = 4;

const decoder = new TextDecoder();

// Engines are held here until they are freed, so that only `collected` frees those of forgotten
// handles: what wasm-bindgen registers by itself would also call into a module that has stopped.
const engines = new Set();
const collected = new FinalizationRegistry((raw) => {
  if (home.stopped !== undefined) return;
  engines.delete(raw);
  try {
    raw.free();
  } catch (error) {
    stop(error);
  }
});

/** The error of a call that returns a new engine: the engine's own come as strings. */
export function openFailure(error) {
  if (typeof error !== 'string') return stop(error);
  const { code, message } = JSON.parse(error);
  return new HoltError(code, message);
}

export class Wire {
  #raw;
  #what;
  #bytes;
  #words;
  #version;
  #answerAt;
  #inputAt;
  #capacity;

  /**
   * Takes ownership of a raw engine; `what` it is: tree, snapshot, database, databaseSnapshot or
   * image.
   */
  constructor(raw, what) {
    this.#raw = raw;
    this.#what = what;
    engines.add(raw);
    collected.register(this, raw, this);
    try {
      this.#answerAt = raw.answer_ptr();
      this.#inputAt = raw.reserve(0);
      this.#capacity = raw.capacity();
    } catch (error) {
      throw stop(error);
    }
    this.#look();
  }

  /** Looks at the memory anew: views of it die whenever it grows. */
  #look() {
    const { buffer } = home.memory;
    this.#bytes = new Uint8Array(buffer);
    this.#words = new Uint32Array(buffer, this.#answerAt, 10);
    this.#version = new BigUint64Array(buffer, this.#answerAt + 16, 1);
  }

  /** Makes room for `bytes` of input. No code of the caller runs between this and the call. */
  #reserve(bytes) {
    if (this.#raw === undefined) throw freed(this.#what);
    if (bytes > this.#capacity) {
      const at = this.invoke('reserve', bytes);
      if (at === 0) throw new HoltError('INVALID_ARGUMENT', `${bytes} bytes are too many for one call`);
      this.#inputAt = at;
      this.#capacity = this.invoke('capacity');
    }
    if (this.#bytes.byteLength === 0) this.#look();
  }

  /** Gives back what a large call took, in wasm and here. */
  #trim() {
    this.invoke('trim');
    this.#inputAt = this.invoke('reserve', 0);
    this.#capacity = this.invoke('capacity');
  }

  /** Looks at a status: throws the error of a failed call, after giving back large buffers. */
  #settle(status) {
    if (this.#bytes.byteLength === 0) this.#look();
    const error = status === FAILED ? this.#failure() : undefined;
    if (this.#capacity > KEEP_BYTES) this.#trim();
    if (error !== undefined) throw error;
    return status;
  }

  #failure() {
    const { code, message } = JSON.parse(decoder.decode(this.#output()));
    return new HoltError(code, message);
  }

  /** A copy of the output. */
  #output() {
    if (this.#bytes.byteLength === 0) this.#look();
    const at = this.#words[OUTPUT_AT];
    return this.#bytes.slice(at, at + this.#words[OUTPUT_BYTES]);
  }

  /** A copy of the output, after which large buffers may go. */
  #take() {
    const output = this.#output();
    if (this.#capacity > KEEP_BYTES || output.length > KEEP_BYTES) this.#trim();
    return output;
  }

  /**
   * The room a key needs. Throws if it is not one, or is over the limit, before anything of its
   * size is allocated.
   */
  checkKey(key, what) {
    check(key, what);
    const room = roomFor(key);
    if (room > home.info.limits.keyBytes) {
      const length = byteLength(key);
      if (length > home.info.limits.keyBytes) this.#refuse('key_too_long', length);
    }
    return room;
  }

  /** The same for a value. */
  checkValue(value, what) {
    check(value, what);
    const room = roomFor(value);
    if (room > home.info.limits.valueBytes) {
      const length = byteLength(value);
      if (length > home.info.limits.valueBytes) this.#refuse('value_too_long', length);
    }
    return room;
  }

  #refuse(call, size) {
    // The engine's numbers have 32 bits; no JavaScript string or array comes near twice that.
    this.#settle(this.invoke(call, Math.min(size, 0xffff_ffff)));
  }

  /** Throws: a batch of that many operations is over the limit. */
  refuseBatchOps(count) {
    this.#refuse('batch_too_large', count);
  }

  /** Throws: a batch of that many bytes is over the limit. */
  refuseBatchBytes(bytes) {
    this.#refuse('record_too_large', bytes);
  }

  /** Throws: the name of a tree is over the limit. */
  refuseName() {
    this.#settle(this.invoke('name_too_long'));
  }

  /** Throws: a guard of a transaction failed. */
  refuseGuard() {
    this.#settle(this.invoke('guard_failed'));
  }

  /** A call without arguments in the input. */
  invoke(call, ...numbers) {
    if (this.#raw === undefined) throw freed(this.#what);
    if (home.stopped !== undefined) throw home.stopped;
    try {
      return this.#raw[call](...numbers);
    } catch (error) {
      throw stop(error);
    }
  }

  /** Whether there was a record; it is read by `value` and `version`. */
  get(key) {
    const room = this.checkKey(key, 'key');
    this.#reserve(room);
    const length = write(this.#bytes, this.#inputAt, key, room, 'key');
    let status;
    try {
      status = this.#raw.get(length);
    } catch (error) {
      throw stop(error);
    }
    if (status === FAILED) this.#settle(status);
    return status !== NO;
  }

  /** The value that `get` found. */
  value() {
    return this.#take();
  }

  /** The version that `get` found; read it before `value`. */
  version() {
    if (this.#bytes.byteLength === 0) this.#look();
    return this.#version[0];
  }

  put(key, value) {
    const keyRoom = this.checkKey(key, 'key');
    const valueRoom = this.checkValue(value, 'value');
    this.#reserve(keyRoom + valueRoom);
    const keyBytes = write(this.#bytes, this.#inputAt, key, keyRoom, 'key');
    const valueBytes = write(this.#bytes, this.#inputAt + keyBytes, value, valueRoom, 'value');
    let status;
    try {
      status = this.#raw.put(keyBytes, valueBytes);
    } catch (error) {
      throw stop(error);
    }
    if (status === FAILED || this.#capacity > KEEP_BYTES) this.#settle(status);
  }

  delete(key) {
    const room = this.checkKey(key, 'key');
    this.#reserve(room);
    const length = write(this.#bytes, this.#inputAt, key, room, 'key');
    let status;
    try {
      status = this.#raw.delete(length);
    } catch (error) {
      throw stop(error);
    }
    if (status === FAILED) this.#settle(status);
    return status !== NO;
  }

  /**
   * Writes keys, and a value if one of the names is `value`, one after the other; returns their
   * lengths.
   */
  #place(pieces) {
    const places = Object.entries(pieces).map(([what, piece]) => ({
      what, piece, room: what === 'value' ? this.checkValue(piece, what) : this.checkKey(piece, what),
    }));
    this.#reserve(places.reduce((sum, { room }) => sum + room, 0));
    let at = this.#inputAt;
    return places.map(({ what, piece, room }) => {
      const length = write(this.#bytes, at, piece, room, what);
      at += length;
      return length;
    });
  }

  /** A call on keys and values: `false` for NO. Its output stays until `value` or `tidy`. */
  ask(call, pieces, ...numbers) {
    const status = this.invoke(call, ...this.#place(pieces), ...numbers);
    if (status === FAILED) this.#settle(status);
    if (this.#bytes.byteLength === 0) this.#look();
    return status !== NO;
  }

  /** A call on keys and values that leaves no output: `false` for NO. */
  does(call, pieces, ...numbers) {
    const yes = this.ask(call, pieces, ...numbers);
    this.tidy();
    return yes;
  }

  /** Gives back what a large call took, after its output was read. */
  tidy() {
    if (this.#capacity > KEEP_BYTES) this.#trim();
  }

  /** The count that the last call left. */
  count() {
    if (this.#bytes.byteLength === 0) this.#look();
    return this.#words[ENTRIES] + this.#words[ENTRIES + 1] * 2 ** 32;
  }

  /** The key that `longest_prefix` found: the start of what it was given; read it first. */
  foundKey() {
    return this.#bytes.slice(this.#inputAt, this.#inputAt + this.#words[EXTRA]);
  }

  /** A call on keys that makes a new handle, of the kind `what`. */
  open(call, pieces, what) {
    return this.#made(call, this.#place(pieces), what);
  }

  /** The same on packed bytes. */
  openPacked(call, packed, what) {
    this.#reserve(packed.length);
    this.#bytes.set(packed, this.#inputAt);
    return this.#made(call, [packed.length], what);
  }

  #made(call, lengths, what) {
    if (home.stopped !== undefined) throw home.stopped;
    let raw;
    try {
      raw = this.#raw[call](...lengths);
    } catch (error) {
      throw openFailure(error);
    }
    this.tidy();
    return new Wire(raw, what);
  }

  /** A call on packed bytes: `false` for NO. Its output stays. */
  packed(call, ...pieces) {
    this.#reserve(pieces.reduce((sum, { length }) => sum + length, 0));
    let at = this.#inputAt;
    for (const piece of pieces) {
      this.#bytes.set(piece, at);
      at += piece.length;
    }
    const status = this.invoke(call, ...pieces.map(({ length }) => length));
    if (status === FAILED) this.#settle(status);
    return status !== NO;
  }

  /** One page, still packed: its bytes, how many entries, and the length of the token or -1. */
  page(spec, maxEntries, maxBytes) {
    const pieces = [spec.prefix, spec.start, spec.end, spec.token];
    this.#reserve(pieces.reduce((sum, piece) => sum + (piece?.length ?? 0), 0));
    let at = this.#inputAt;
    for (const piece of pieces) {
      if (piece === undefined) continue;
      this.#bytes.set(piece, at);
      at += piece.length;
    }
    const flags = (spec.keysOnly ? KEYS_ONLY : 0) | (spec.reverse ? REVERSE : 0)
      | (spec.inclusive ? INCLUSIVE : 0);
    const status = this.invoke(
      'page', ...pieces.map((piece) => piece?.length ?? ABSENT), spec.delimiter, maxEntries,
      maxBytes, flags,
    );
    if (status === FAILED) this.#settle(status);
    const count = this.count();
    const tokenBytes = this.#words[EXTRA] - 1;
    return { bytes: this.#take(), count, tokenBytes, consistent: status !== NO };
  }

  /** The next bytes of an image on its way out: `undefined` at its end. */
  chunk(most) {
    const status = this.invoke('next_chunk', most);
    if (status === FAILED) this.#settle(status);
    return status === NO ? undefined : this.#take();
  }

  /** Ends an image on its way in: what it holds. */
  finishImage() {
    this.run('finish_image');
    const records = this.count();
    return { trees: this.#words[EXTRA], records, maxVersion: this.version() };
  }

  /** A part of the change feed, still packed. */
  changes(from) {
    const status = this.invoke('changes', from);
    if (status === FAILED) this.#settle(status);
    const [count, next] = [this.count(), this.version()];
    return { bytes: this.#take(), count, next, more: status !== NO };
  }

  /** A call that only does something: `false` if there was nothing to do. */
  run(call, ...numbers) {
    return this.#settle(this.invoke(call, ...numbers)) !== NO;
  }

  /** A call that answers with bytes. */
  bytesOf(call) {
    const status = this.invoke(call);
    if (status === FAILED) this.#settle(status);
    return this.#take();
  }

  /** A call that answers with JSON. */
  report(call) {
    const status = this.invoke(call);
    if (status === FAILED) this.#settle(status);
    return JSON.parse(decoder.decode(this.#take()));
  }

  /** Gives the tree's memory back to the module. */
  free() {
    if (home.stopped === undefined) {
      this.invoke('free');
      engines.delete(this.#raw);
    }
    collected.unregister(this);
    this.#raw = undefined;
  }
}
