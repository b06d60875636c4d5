// A batch being collected, in the packed form (its layout is in `wasm/web/src/pack.rs`).
import { write } from './bytes.js';
import { invalid, wrongType } from './errors.js';
import { home } from './home.js';

const HEADER_BYTES = 9;
const DELETE = 0;
const PUT = 1;

/** The operations so far; its methods copy keys and values at once. */
export class Batch {
  #wire;
  #bytes = new Uint8Array(1024);
  #view = new DataView(this.#bytes.buffer);
  #used = 0;
  #count = 0;

  constructor(wire) {
    this.#wire = wire;
  }

  put(key, value) {
    this.#add(PUT, key, value);
    return this;
  }

  delete(key) {
    this.#add(DELETE, key, '');
    return this;
  }

  get size() {
    return this.#count;
  }

  #add(kind, key, value) {
    const wire = this.#wire;
    if (wire === undefined) {
      throw invalid('this batch was applied already; use the one that atomic() passes in');
    }
    const keyRoom = wire.checkKey(key, 'key');
    const valueRoom = wire.checkValue(value, 'value');
    const { batchOps, batchBytes } = home.info.limits;
    if (this.#count === batchOps) wire.refuseBatchOps(this.#count + 1);
    this.#grow(this.#used + HEADER_BYTES + keyRoom + valueRoom);
    const at = this.#used + HEADER_BYTES;
    const keyBytes = write(this.#bytes, at, key, keyRoom, 'key');
    const valueBytes = write(this.#bytes, at + keyBytes, value, valueRoom, 'value');
    const end = at + keyBytes + valueBytes;
    if (end > batchBytes) wire.refuseBatchBytes(end);
    this.#bytes[this.#used] = kind;
    this.#view.setUint32(this.#used + 1, keyBytes, true);
    this.#view.setUint32(this.#used + 5, valueBytes, true);
    this.#used = end;
    this.#count += 1;
  }

  #grow(bytes) {
    if (bytes <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(bytes, this.#bytes.length * 2));
    grown.set(this.#bytes.subarray(0, this.#used));
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }

  /** Collects an array of `{type, key, value}`. */
  static addAll(batch, ops) {
    for (const [index, op] of ops.entries()) {
      if (typeof op !== 'object' || op === null) {
        throw wrongType(`operation ${index} of the batch`, 'an object', op);
      }
      const { type, key, value } = op;
      if (type === 'put') batch.put(key, value);
      else if (type === 'delete') batch.delete(key);
      else throw new TypeError(`operation ${index} of the batch must have type "put" or "delete"`);
    }
  }

  /** Ends the collecting and gives the packed bytes. */
  static close(batch) {
    batch.#wire = undefined;
    const packed = batch.#bytes.subarray(0, batch.#used);
    batch.#bytes = new Uint8Array(0);
    return packed;
  }
}
