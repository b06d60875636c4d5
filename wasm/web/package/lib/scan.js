// Iteration over a scan, page by page.
import { Iteration } from './iteration.js';
import { decode } from './page.js';

// The first page is small for those who stop early; later ones grow.
const FIRST_ENTRIES = 128;
const MOST_ENTRIES = 4096;
const PAGE_BYTES = 256 * 1024;

/**
 * Iterates the entries of a scan in order, synchronously or asynchronously. It is its own
 * iterator, so it runs once.
 */
export class Scan extends Iteration {
  #live;
  #spec;
  #left;
  #entries = [];
  #at = 0;
  #size;
  #done = false;

  /** `live` gives the wire of what is scanned, or throws if that was freed. */
  constructor(live, spec, limit) {
    super();
    this.#live = live;
    this.#spec = spec;
    this.#left = limit;
    // A limit up to the largest page is one call.
    this.#size = limit <= MOST_ENTRIES ? limit : FIRST_ENTRIES;
  }

  next() {
    while (this.#at === this.#entries.length) {
      if (this.#done || this.#left === 0) return this.return();
      this.#fetch();
    }
    // Throws after `free`, even if some entries are here already.
    this.#live();
    const value = this.#entries[this.#at];
    this.#at += 1;
    this.#left -= 1;
    return { done: false, value };
  }

  #fetch() {
    let page;
    try {
      const wire = this.#live();
      page = decode(
        wire.page(this.#spec, Math.min(this.#size, this.#left), PAGE_BYTES),
        this.#spec.keysOnly,
      );
    } catch (error) {
      this.return();
      throw error;
    }
    this.#size = Math.min(Math.max(this.#size, FIRST_ENTRIES) * 4, MOST_ENTRIES);
    this.#entries = page.entries;
    this.#at = 0;
    this.#done = page.next === null;
    if (page.next !== null) this.#spec = { ...this.#spec, start: page.next, inclusive: false };
  }

  /** Ends the scan; called by `for … of` when it is left early. */
  return(value) {
    this.#done = true;
    this.#left = 0;
    this.#entries = [];
    this.#at = 0;
    return { done: true, value };
  }
}
