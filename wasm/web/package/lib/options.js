// Option objects: each option is read once, and names nobody knows are refused.
import { byteLength, check, write } from './bytes.js';
import { invalid, wrongType } from './errors.js';

/** The options object as it was given; refuses unknown names, so that a slip is not a full scan. */
export function known(options, names, what) {
  if (options === undefined) return {};
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw wrongType(`the options of ${what}`, 'an object', options);
  }
  for (const name of Object.keys(options)) {
    if (!names.includes(name)) {
      throw new TypeError(`${what} has no option "${name}"; it has ${names.join(', ')}`);
    }
  }
  return options;
}

/** `true` or `false`; `undefined` is `false`. */
export function flag(value, what) {
  if (value === undefined) return false;
  if (typeof value !== 'boolean') throw wrongType(what, 'true or false', value);
  return value;
}

/** A whole number from `low` to `high`; `undefined` is `standard`. */
export function whole(value, what, low, high, standard) {
  if (value === undefined) return standard;
  if (typeof value !== 'number') throw wrongType(what, 'a number', value);
  if (value === Infinity && high === Infinity) return value;
  if (!Number.isInteger(value) || value < low || value > high) {
    const bounds = high === Infinity ? `at least ${low}` : `from ${low} to ${high}`;
    throw invalid(`${what} must be a whole number ${bounds}, but it is ${value}`);
  }
  return value;
}

/** A key of its own: what the caller does to the array later does not matter. */
export function ownKey(wire, value, what) {
  const room = wire.checkKey(value, what);
  const bytes = new Uint8Array(room);
  const length = write(bytes, 0, value, room, what);
  return length === bytes.length ? bytes : bytes.slice(0, length);
}

/** One byte: a number, a string of one ASCII character, or an array of one; -1 for none. */
export function delimiterByte(value) {
  if (value === undefined) return -1;
  if (typeof value === 'number') return whole(value, 'delimiter', 0, 255, -1);
  check(value, 'delimiter (if it is not a number)');
  if (byteLength(value) !== 1) {
    throw invalid(`delimiter must be one byte, but it has ${byteLength(value)}; use an ASCII character`);
  }
  return typeof value === 'string' ? value.charCodeAt(0) : value[0];
}

/** What part of a tree to scan. */
export function scanSpec(wire, options, keysOnly) {
  const { prefix, startAfter, delimiter } = options;
  return {
    prefix: prefix === undefined ? new Uint8Array(0) : ownKey(wire, prefix, 'prefix'),
    after: startAfter === undefined ? undefined : ownKey(wire, startAfter, 'startAfter'),
    delimiter: delimiterByte(delimiter),
    keysOnly,
  };
}
