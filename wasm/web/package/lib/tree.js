// The tree as JavaScript sees it. Types and units are documented in `index.d.ts`.
import { Batch } from './batch.js';
import { HoltError, freed, wrongType } from './errors.js';
import { glue, home, stop } from './home.js';
import { flag, known, scanSpec, whole } from './options.js';
import { decode } from './page.js';
import { Scan } from './scan.js';
import { Wire } from './wire.js';

const SCAN_OPTIONS = ['prefix', 'startAfter', 'delimiter', 'limit'];
const PAGE_OPTIONS = [...SCAN_OPTIONS, 'maxBytes', 'keysOnly'];
const STANDARD_PAGE_ENTRIES = 1000;
const STANDARD_PAGE_BYTES = 1024 * 1024;
const ours = Symbol('made by Tree');

export class Tree {
  #wire;

  constructor(token, wire) {
    if (token !== ours) throw new TypeError('a Tree is made by Tree.memory(), not by new');
    this.#wire = wire;
  }

  static memory() {
    const { Engine } = glue();
    let raw;
    try {
      raw = Engine.memory();
    } catch (error) {
      // The engine's own errors come as strings, anything else is a trap.
      if (typeof error !== 'string') throw stop(error);
      const { code, message } = JSON.parse(error);
      throw new HoltError(code, message);
    }
    return new Tree(ours, new Wire(raw));
  }

  #live() {
    const wire = this.#wire;
    if (wire === undefined) throw freed();
    if (home.stopped !== undefined) throw home.stopped;
    return wire;
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

  put(key, value) {
    this.#live().put(key, value);
  }

  delete(key) {
    return this.#live().delete(key);
  }

  rename(src, dst, options) {
    const wire = this.#live();
    const { force } = known(options, ['force'], 'rename');
    wire.rename(src, dst, flag(force, 'force'));
  }

  atomic(fill) {
    const batch = new Batch(this.#live());
    if (typeof fill === 'function') {
      let answer;
      try {
        answer = fill(batch);
      } catch (error) {
        Batch.close(batch);
        throw error;
      }
      if (typeof answer?.then === 'function') {
        Batch.close(batch);
        throw new TypeError('the function of atomic must not be async: collect first, then call it');
      }
    } else if (Array.isArray(fill)) {
      Batch.addAll(batch, fill);
    } else {
      throw wrongType('the batch of atomic', 'a function or an array of operations', fill);
    }
    return this.#live().atomic(Batch.close(batch));
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

  compact() {
    this.#live().run('compact');
  }

  maintain(pages) {
    return this.#live().run('maintain', whole(pages, 'pages', 1, 0xffff_ffff, 64));
  }

  verify() {
    return this.#live().report('verify');
  }

  stats() {
    return this.#live().report('stats');
  }

  free() {
    const wire = this.#wire;
    this.#wire = undefined;
    wire?.free();
  }

  get [Symbol.toStringTag]() {
    return 'Tree';
  }
}

// Runtimes without `using` lack the symbol.
if (Symbol.dispose !== undefined) {
  Object.defineProperty(Tree.prototype, Symbol.dispose, {
    value: Tree.prototype.free,
    writable: true,
    configurable: true,
  });
}
