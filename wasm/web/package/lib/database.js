// A store of named trees. Types and units are documented in `index.d.ts`.
import { DatabaseBatch, Names, Packer, fillBatch } from './batch.js';
import { DatabaseSnapshot, packScopes } from './database-snapshot.js';
import { freed, wrongType } from './errors.js';
import { decodeChanges } from './feed.js';
import { home } from './home.js';
import { ImageExport, takeIn } from './image.js';
import { JournalCursor, anchorBytes, decodeState, envelopeBytes } from './journal.js';
import { treeName, word } from './options.js';
import { disposable, lend, ours } from './reader.js';
import { memory, open } from './store.js';
import { Tree } from './tree.js';
import { addUpkeep } from './upkeep.js';

const NOTHING = new Uint8Array(0);

export class Database {
  #wire;

  static {
    addUpkeep(this, (database) => database.#live());
  }

  constructor(token, wire) {
    if (token !== ours) throw new TypeError('a Database is made by Database.memory(), not by new');
    this.#wire = wire;
  }

  static memory(options) {
    return new Database(ours, memory('database', options));
  }

  static async open(place, options) {
    return new Database(ours, await open('database', place, options));
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

  snapshot() {
    return new DatabaseSnapshot(ours, this.#live().openPacked('snapshot_trees', NOTHING, 'databaseSnapshot'));
  }

  view(scopes, read) {
    this.#live();
    if (typeof read !== 'function') throw wrongType('the second argument of view', 'a function', read);
    const { prefixes, packed } = packScopes(this.#live(), scopes);
    const wire = this.#live().openPacked('view_trees', packed, 'databaseSnapshot');
    return lend(new DatabaseSnapshot(ours, wire, prefixes), read);
  }

  changesSince(lsn) {
    return decodeChanges(this.#live().changes(word(lsn, 'lsn')), true);
  }

  lastLsn() {
    return this.#live().invoke('lsn');
  }

  exportCheckpoint(options) {
    this.#live();
    return new ImageExport(() => this.#live().openPacked('begin_export', NOTHING, 'image'), options);
  }

  async installCheckpoint(chunks) {
    return takeIn(() => this.#live().openPacked('begin_install', NOTHING, 'image'), chunks);
  }

  initializeJournalStream(genesis) {
    this.#live();
    const packed = anchorBytes(genesis, 'the genesis of the journal');
    this.#live().packed('initialize_journal_stream', packed);
  }

  journalState() {
    return decodeState(this.#live().bytesOf('journal_state'));
  }

  atomicWithJournalEnvelope(envelope, fill) {
    const link = envelopeBytes(this.#live(), envelope);
    const packer = new Packer(this.#live());
    const names = new Names();
    const packed = fillBatch(new DatabaseBatch(packer, names), packer, fill);
    const wire = this.#live();
    const applied = wire.packed('atomic_with_journal_envelope', names.pack(), packed, link);
    wire.tidy();
    return applied;
  }

  journalEnvelopesAfter(cursor, options) {
    this.#live();
    const from = new JournalCursor(cursor, options);
    const wire = this.#live();
    const more = wire.packed('journal_envelopes_after', from.packed);
    return from.page(wire.count(), wire.value(), more);
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
