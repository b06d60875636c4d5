// What trees and snapshots have in common: reading. Types and units are documented in `index.d.ts`.
import { freed, invalid, wrongType } from './errors.js';
import { home } from './home.js';
import { flag, known, scanSpec, whole } from './options.js';
import { decode } from './page.js';
import { Scan } from './scan.js';

const SCAN_OPTIONS = ['prefix', 'startAfter', 'startAt', 'endBefore', 'reverse', 'delimiter', 'limit'];
const PAGE_OPTIONS = [...SCAN_OPTIONS, 'maxBytes', 'keysOnly', 'token'];
const STANDARD_PAGE_ENTRIES = 1000;
const STANDARD_PAGE_BYTES = 1024 * 1024;

let wireOf;

/** Shows a constructor that this package calls it. */
export const ours = Symbol('made by holt');

/** The wire of a tree or snapshot, or the reason why it cannot be used. */
export const live = (reader) => wireOf(reader);

/** Adds `Symbol.dispose` to a class that has `free`; runtimes without `using` lack the symbol. */
export function disposable({ prototype }) {
  if (Symbol.dispose === undefined) return;
  Object.defineProperty(prototype, Symbol.dispose, {
    value: prototype.free,
    writable: true,
    configurable: true,
  });
}

/** Calls `read` with a handle and frees it after it returns, or its promise settles. */
export function lend(handle, read) {
  let later = false;
  try {
    const result = read(handle);
    later = typeof result?.then === 'function';
    return later ? Promise.resolve(result).finally(() => handle.free()) : result;
  } finally {
    if (!later) handle.free();
  }
}

/** The keys of `getMany`, taken out of their list before anything is read. */
function listed(keys) {
  if (typeof keys !== 'object' || keys === null || typeof keys[Symbol.iterator] !== 'function') {
    throw wrongType('the keys of getMany', 'an array', keys);
  }
  const { getManyKeys } = home.info.limits;
  const list = [];
  for (const key of keys) {
    if (list.length === getManyKeys) throw invalid(`getMany takes at most ${getManyKeys} keys; split them`);
    list.push(key);
  }
  return list;
}

export class Reader {
  #wire;
  #what;

  constructor(wire, what) {
    this.#wire = wire;
    this.#what = what;
  }

  #live() {
    const wire = this.#wire;
    if (wire === undefined) throw freed(this.#what);
    if (home.stopped !== undefined) throw home.stopped;
    return wire;
  }

  static {
    wireOf = (reader) => reader.#live();
  }

  get(key) {
    const wire = this.#live();
    return wire.get(key) ? wire.value() : undefined;
  }

  getRecord(key) {
    const wire = this.#live();
    if (!wire.get(key)) return undefined;
    const version = wire.version();
    return { value: wire.value(), version };
  }

  getVersion(key) {
    const wire = this.#live();
    return wire.does('version', { key }) ? wire.version() : undefined;
  }

  has(key) {
    return this.#live().does('version', { key });
  }

  getMany(keys) {
    this.#live();
    const list = listed(keys);
    // No code of the caller runs in this loop, so all values are of one moment.
    const wire = this.#live();
    return list.map((key) => (wire.get(key) ? wire.value() : undefined));
  }

  longestPrefix(query) {
    const wire = this.#live();
    if (!wire.ask('longest_prefix', { query })) {
      wire.tidy();
      return undefined;
    }
    const key = wire.foundKey();
    const version = wire.version();
    return { key, value: wire.value(), version };
  }

  isPrefixEmpty(prefix) {
    return this.#live().does('is_prefix_empty', { prefix });
  }

  prefixCount(prefix, options) {
    this.#live();
    const { limit } = known(options, ['limit'], 'prefixCount');
    const most = whole(limit, 'limit', 1, Infinity, Infinity);
    const wire = this.#live();
    // A module has no room for as many records as 32 bits count: 0 is no limit.
    const exact = wire.does('prefix_count', { prefix }, most > 0xffff_ffff ? 0 : most);
    return { count: wire.count(), exact };
  }

  scan(options) {
    return this.#scan(options, false, 'scan');
  }

  scanKeys(options) {
    return this.#scan(options, true, 'scanKeys');
  }

  #scan(options, keysOnly, what) {
    const wire = this.#live();
    const given = known(options, SCAN_OPTIONS, what);
    const limit = whole(given.limit, 'limit', 0, Infinity, Infinity);
    return new Scan(() => this.#live(), scanSpec(wire, given, keysOnly), limit);
  }

  page(options) {
    const wire = this.#live();
    const given = known(options, PAGE_OPTIONS, 'page');
    const { pageEntries, pageBytes } = home.info.limits;
    const entries = whole(given.limit, 'limit', 1, Infinity, STANDARD_PAGE_ENTRIES);
    const bytes = whole(given.maxBytes, 'maxBytes', 1, Infinity, STANDARD_PAGE_BYTES);
    const spec = scanSpec(wire, given, flag(given.keysOnly, 'keysOnly'));
    return decode(wire.page(spec, Math.min(entries, pageEntries), Math.min(bytes, pageBytes)), spec.keysOnly);
  }

  free() {
    const wire = this.#wire;
    this.#wire = undefined;
    wire?.free();
  }
}

disposable(Reader);
