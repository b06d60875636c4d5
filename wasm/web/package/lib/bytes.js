// Keys and values on their way into wasm memory.
//
// Everything a caller can override (`length`, `set`, `Symbol.toStringTag`) is read through the
// intrinsic of the language, since a wrong length here would write over other memory of the engine.
import { invalid, wrongType } from './errors.js';

const typedArray = Object.getPrototypeOf(Uint8Array.prototype);
const intrinsic = (name) => {
  const { get } = Object.getOwnPropertyDescriptor(typedArray, name);
  return (array) => Reflect.apply(get, array, []);
};
const nameOf = Object.getOwnPropertyDescriptor(typedArray, Symbol.toStringTag).get;
const lengthOf = Object.getOwnPropertyDescriptor(typedArray, 'length').get;
const bufferOf = intrinsic('buffer');
const offsetOf = intrinsic('byteOffset');
const { set, subarray } = typedArray;
const encoder = new TextEncoder();

// Up to here a loop is quicker than a call into the runtime.
const LOOP_BYTES = 48;

/**
 * An array over the same bytes as a `Uint8Array` of the caller's, of whichever realm; refuses
 * everything else, strings too.
 */
export function plain(value, what) {
  if (nameOf.call(value) !== 'Uint8Array') throw wrongType(what, 'a Uint8Array', value);
  if (lengthOf.call(value) === 0) checkAttached(value, what);
  return new Uint8Array(bufferOf(value), offsetOf(value), lengthOf.call(value));
}

/** Refuses everything but strings and `Uint8Array`s, of whichever realm. */
export function check(value, what) {
  if (typeof value === 'string') return;
  if (nameOf.call(value) !== 'Uint8Array') throw wrongType(what, 'a string or a Uint8Array', value);
  // The array of a transferred buffer has length 0, and would pass for an empty key.
  if (lengthOf.call(value) === 0) checkAttached(value, what);
}

function checkAttached(value, what) {
  try {
    new Uint8Array(bufferOf(value));
  } catch {
    throw new TypeError(`${what} is a Uint8Array whose buffer was transferred; pass a copy made before`);
  }
}

/** An upper bound of the bytes `value` takes; exact for arrays. */
export function roomFor(value) {
  return typeof value === 'string' ? value.length * 3 : lengthOf.call(value);
}

/** Bytes `value` takes. */
export function byteLength(value) {
  return typeof value === 'string' ? utf8Length(value) : lengthOf.call(value);
}

function utf8Length(text) {
  let bytes = text.length;
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    if (unit < 0x80) continue;
    if (unit < 0x800) bytes += 1;
    else if (unit >= 0xd800 && unit < 0xdc00) {
      // Two units, four bytes.
      bytes += 2;
      at += 1;
    } else bytes += 2;
  }
  return bytes;
}

/** Refuses strings that have no UTF-8 form: two of them would become the same key. */
function checkWellFormed(text, what) {
  const wellFormed = text.isWellFormed ? text.isWellFormed() : !/\p{Surrogate}/u.test(text);
  if (!wellFormed) {
    throw invalid(`${what} has half of a surrogate pair, so it has no UTF-8 form; pass a Uint8Array`);
  }
}

/**
 * Writes a checked value to `memory` at `at`, where there are `room` bytes, which is what
 * `roomFor(value)` said; returns how many it took. An array is not measured again: a shared one
 * may have grown since.
 */
export function write(memory, at, value, room, what) {
  if (typeof value === 'string') return writeText(memory, at, value, room, what);
  if (room <= LOOP_BYTES) {
    for (let index = 0; index < room; index += 1) memory[at + index] = value[index];
  } else {
    Reflect.apply(set, Reflect.apply(subarray, memory, [at, at + room]), [value]);
  }
  return room;
}

function writeText(memory, at, text, room, what) {
  const { length } = text;
  if (length <= LOOP_BYTES) {
    let index = 0;
    for (; index < length; index += 1) {
      const unit = text.charCodeAt(index);
      if (unit >= 0x80) break;
      memory[at + index] = unit;
    }
    if (index === length) return length;
  }
  checkWellFormed(text, what);
  return encoder.encodeInto(text, memory.subarray(at, at + room)).written;
}
