// A store of named trees. Types and units are documented in `index.d.ts`.
import { DatabaseBatch, Names, Packer, fillBatch } from './batch.js';
import { freed } from './errors.js';
import { home } from './home.js';
import { treeName, whole } from './options.js';
import { disposable, ours } from './reader.js';
import { memory } from './store.js';
import { Tree } from './tree.js';

export class Database {
  #wire;

  constructor(token, wire) {
    if (token !== ours) throw new TypeError('a Database is made by Database.memory(), not by new');
    this.#wire = wire;
  }

  static memory(options) {
    return new Database(ours, memory('database', options));
  }

  #live() {
    const wire = this.#wire;
    if (wire === undefined) throw freed('database');
    if (home.stopped !== undefined) throw home.stopped;
    return wire;
  }

  #open(call, name) {
    const wire = this.#live();
    return new Tree(ours, wire.open(call, { name: treeName(wire, name) }, 'tree'));
  }

  createTree(name) {
    return this.#open('create_tree', name);
  }

  openTree(name) {
    return this.#open('open_tree', name);
  }

  openOrCreateTree(name) {
    return this.#open('open_or_create_tree', name);
  }

  listTrees() {
    return this.#live().report('list_trees');
  }

  dropTree(name) {
    const wire = this.#live();
    wire.does('drop_tree', { name: treeName(wire, name) });
  }

  atomic(fill) {
    const packer = new Packer(this.#live());
    const names = new Names();
    const packed = fillBatch(new DatabaseBatch(packer, names), packer, fill);
    const wire = this.#live();
    const applied = wire.packed('atomic_trees', names.pack(), packed);
    wire.tidy();
    return applied;
  }

  txn(fill) {
    if (!this.atomic(fill)) this.#live().refuseGuard();
  }

  checkpoint() {
    this.#live().run('checkpoint');
  }

  compact() {
    this.#live().run('compact');
  }

  maintain(pages) {
    return this.#live().run('maintain', whole(pages, 'pages', 1, 0xffff_ffff, 64));
  }

  gc() {
    const wire = this.#live();
    wire.run('gc');
    return wire.count();
  }

  vacuum() {
    return this.#live().report('vacuum');
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
    return 'Database';
  }
}

disposable(Database);
