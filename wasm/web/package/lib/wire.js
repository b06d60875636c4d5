// One tree's side of the calls into wasm: where arguments are written and results are read.
//
// The calls and buffers are described in `wasm/web/src/lib.rs`. A wire is never shared.
import { byteLength, check, roomFor, write } from './bytes.js';
import { HoltError } from './errors.js';
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
const NEXT_BYTES = 8;

const decoder = new TextDecoder();

export class Wire {
  #raw;
  #bytes;
  #words;
  #version;
  #answerAt;
  #inputAt;
  #capacity;

  /** Takes ownership of a raw engine. */
  constructor(raw) {
    this.#raw = raw;
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

  /** Makes room for `bytes` of input. */
  #reserve(bytes) {
    if (bytes > this.#capacity) {
      try {
        this.#inputAt = this.#raw.reserve(bytes);
        this.#capacity = this.#raw.capacity();
      } catch (error) {
        throw stop(error);
      }
    }
    if (this.#bytes.byteLength === 0) this.#look();
  }

  /** Gives back what a large call took, in wasm and here. */
  #trim() {
    try {
      this.#raw.trim();
      this.#inputAt = this.#raw.reserve(0);
      this.#capacity = this.#raw.capacity();
    } catch (error) {
      throw stop(error);
    }
  }

  /** Looks at a status: throws the error of a failed call, after giving back large buffers. */
  #settle(status) {
    if (this.#bytes.byteLength === 0) this.#look();
    const error = status === FAILED ? this.#failure() : undefined;
    if (this.#capacity > KEEP_BYTES || this.#words[OUTPUT_BYTES] > KEEP_BYTES) this.#trim();
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

  /** Throws if a key is over the limit, before anything of its size is allocated. */
  checkKey(key, what) {
    check(key, what);
    const { keyBytes } = home.info.limits;
    if (roomFor(key) > keyBytes) {
      const length = byteLength(key);
      if (length > keyBytes) this.#refuse('key_too_long', length);
    }
  }

  /** The same for a value. */
  checkValue(value, what) {
    check(value, what);
    const { valueBytes } = home.info.limits;
    if (roomFor(value) > valueBytes) {
      const length = byteLength(value);
      if (length > valueBytes) this.#refuse('value_too_long', length);
    }
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

  /** A call without arguments in the input. */
  invoke(call, ...numbers) {
    try {
      return this.#raw[call](...numbers);
    } catch (error) {
      throw stop(error);
    }
  }

  /** Whether there was a record; it is read by `value` and `version`. */
  get(key) {
    this.checkKey(key, 'key');
    this.#reserve(roomFor(key));
    const length = write(this.#bytes, this.#inputAt, key, 'key');
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
    this.checkKey(key, 'key');
    this.checkValue(value, 'value');
    this.#reserve(roomFor(key) + roomFor(value));
    const keyBytes = write(this.#bytes, this.#inputAt, key, 'key');
    const valueBytes = write(this.#bytes, this.#inputAt + keyBytes, value, 'value');
    let status;
    try {
      status = this.#raw.put(keyBytes, valueBytes);
    } catch (error) {
      throw stop(error);
    }
    if (status === FAILED || this.#capacity > KEEP_BYTES) this.#settle(status);
  }

  delete(key) {
    this.checkKey(key, 'key');
    this.#reserve(roomFor(key));
    const length = write(this.#bytes, this.#inputAt, key, 'key');
    let status;
    try {
      status = this.#raw.delete(length);
    } catch (error) {
      throw stop(error);
    }
    if (status === FAILED) this.#settle(status);
    return status !== NO;
  }

  rename(src, dst, force) {
    this.checkKey(src, 'src');
    this.checkKey(dst, 'dst');
    this.#reserve(roomFor(src) + roomFor(dst));
    const srcBytes = write(this.#bytes, this.#inputAt, src, 'src');
    const dstBytes = write(this.#bytes, this.#inputAt + srcBytes, dst, 'dst');
    this.#settle(this.invoke('rename', srcBytes, dstBytes, force));
  }

  /** Applies a packed batch. */
  atomic(packed) {
    this.#reserve(packed.length);
    write(this.#bytes, this.#inputAt, packed, 'batch');
    return this.#settle(this.invoke('atomic', packed.length)) !== NO;
  }

  /** One page, still packed: its bytes, how many entries, and the length of the next key or -1. */
  page({ prefix, after, delimiter, keysOnly }, maxEntries, maxBytes) {
    this.#reserve(prefix.length + (after?.length ?? 0));
    write(this.#bytes, this.#inputAt, prefix, 'prefix');
    if (after !== undefined) write(this.#bytes, this.#inputAt + prefix.length, after, 'startAfter');
    const afterBytes = after === undefined ? 0xffff_ffff : after.length;
    const status = this.invoke(
      'page', prefix.length, afterBytes, delimiter, maxEntries, maxBytes, keysOnly,
    );
    if (status === FAILED) this.#settle(status);
    if (this.#bytes.byteLength === 0) this.#look();
    const count = this.#words[ENTRIES];
    const nextBytes = this.#words[NEXT_BYTES] - 1;
    return { bytes: this.#take(), count, nextBytes };
  }

  /** A call that only does something: `false` if there was nothing to do. */
  run(call, ...numbers) {
    return this.#settle(this.invoke(call, ...numbers)) !== NO;
  }

  /** A call that answers with JSON. */
  report(call) {
    const status = this.invoke(call);
    if (status === FAILED) this.#settle(status);
    return JSON.parse(decoder.decode(this.#take()));
  }

  /** Gives the tree's memory back to the module. */
  free() {
    this.invoke('free');
  }
}
