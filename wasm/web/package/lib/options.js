// Option objects: each option is read once, and names nobody knows are refused.
import { byteLength, check, write } from './bytes.js';
import { invalid, wrongType } from './errors.js';
import { home } from './home.js';

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

/** A key of its own, unless it is not given. */
function maybeKey(wire, value, what) {
  return value === undefined ? undefined : ownKey(wire, value, what);
}

/** A version of a record or a position of the feed: a bigint of 64 bits, unsigned. */
export function word(value, what) {
  if (typeof value !== 'bigint') throw wrongType(what, 'a bigint', value);
  if (value < 0n || value >= 1n << 64n) {
    throw invalid(`${what} must be from 0n to 2n ** 64n - 1n; pass one that holt returned`);
  }
  return value;
}

/** The UTF-8 bytes of a tree's name. */
export function treeName(wire, name) {
  if (typeof name !== 'string') throw wrongType('the name of the tree', 'a string', name);
  if (name.length > home.info.limits.treeNameBytes) wire.refuseName();
  return ownKey(wire, name, 'the name of the tree');
}

/** Bytes of a page token, which the engine checks. */
function pageToken(value) {
  if (value === undefined) return undefined;
  check(value, 'token');
  const room = typeof value === 'string' ? -1 : byteLength(value);
  if (room < 0 || room > home.info.limits.pageTokenBytes) {
    throw invalid('token must be one that page() returned, unchanged');
  }
  const bytes = new Uint8Array(room);
  write(bytes, 0, value, room, 'token');
  return bytes;
}

/** What part of a tree to scan. */
export function scanSpec(wire, options, keysOnly) {
  const { prefix, startAfter, startAt, endBefore, reverse, delimiter, token } = options;
  if (startAfter !== undefined && startAt !== undefined) {
    throw invalid('a scan starts at startAt or behind startAfter; pass one of them');
  }
  const inclusive = startAt !== undefined;
  return {
    prefix: maybeKey(wire, prefix, 'prefix'),
    start: inclusive ? ownKey(wire, startAt, 'startAt') : maybeKey(wire, startAfter, 'startAfter'),
    inclusive,
    end: maybeKey(wire, endBefore, 'endBefore'),
    reverse: flag(reverse, 'reverse'),
    delimiter: delimiterByte(delimiter),
    token: pageToken(token),
    keysOnly,
  };
}
