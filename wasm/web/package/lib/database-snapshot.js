// Several trees as they were at one moment. Types and units are documented in `index.d.ts`.
import { framed } from './batch.js';
import { freed, invalid, wrongType } from './errors.js';
import { home } from './home.js';
import { ownKey, treeName } from './options.js';
import { disposable, ours } from './reader.js';
import { Snapshot } from './snapshot.js';

const WHOLE = new Uint8Array(0);

/** The trees and prefixes of a view: packed, and by name. */
export function packScopes(wire, scopes) {
  if (typeof scopes !== 'object' || scopes === null || typeof scopes[Symbol.iterator] !== 'function') {
    throw wrongType('the trees of a view', 'an array of names and prefixes, or a Map', scopes);
  }
  const { trees } = home.info.limits;
  const prefixes = new Map();
  const pieces = [];
  for (const scope of scopes) {
    if (!Array.isArray(scope)) {
      throw wrongType(`tree ${pieces.length / 2} of a view`, 'an array of name and prefix', scope);
    }
    if (pieces.length === 2 * trees) throw invalid(`a view has at most ${trees} trees`);
    const [name, prefix] = scope;
    const bytes = treeName(wire, name);
    prefixes.set(name, ownKey(wire, prefix, 'prefix'));
    pieces.push(bytes, prefixes.get(name));
  }
  return { prefixes, packed: framed(pieces) };
}

export class DatabaseSnapshot {
  #wire;
  #prefixes;
  #lent = [];

  /** With `prefixes` it is a view, whose trees end with it. */
  constructor(token, wire, prefixes) {
    if (token !== ours) {
      throw new TypeError('a DatabaseSnapshot is made by database.snapshot(), not by new');
    }
    this.#wire = wire;
    this.#prefixes = prefixes;
  }

  #live() {
    const wire = this.#wire;
    if (wire === undefined) throw freed('databaseSnapshot');
    if (home.stopped !== undefined) throw home.stopped;
    return wire;
  }

  listTrees() {
    return this.#live().report('list_trees');
  }

  get size() {
    return this.listTrees().length;
  }

  tree(name) {
    const wire = this.#live();
    const opened = wire.open('tree_of', { name: treeName(wire, name) }, 'snapshot');
    const snapshot = new Snapshot(ours, opened, this.#prefixes?.get(name) ?? WHOLE);
    if (this.#prefixes !== undefined) this.#lent.push(snapshot);
    return snapshot;
  }

  get lsn() {
    return this.#live().invoke('lsn');
  }

  free() {
    const wire = this.#wire;
    this.#wire = undefined;
    for (const snapshot of this.#lent.splice(0)) snapshot.free();
    wire?.free();
  }

  get [Symbol.toStringTag]() {
    return 'DatabaseSnapshot';
  }
}

disposable(DatabaseSnapshot);
