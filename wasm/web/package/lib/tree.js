// The tree as JavaScript sees it. Types and units are documented in `index.d.ts`.
import { Batch, PUT, Packer, fillBatch } from './batch.js';
import { wrongType } from './errors.js';
import { decodeChanges } from './feed.js';
import { flag, known, ownKey, word } from './options.js';
import { Reader, lend, live, ours } from './reader.js';
import { Snapshot } from './snapshot.js';
import { memory, open } from './store.js';
import { addUpkeep } from './upkeep.js';

/** Packs the records of `putMany`. */
function packRecords(wire, records, what) {
  if (typeof records !== 'object' || records === null || typeof records[Symbol.iterator] !== 'function') {
    throw wrongType(`the records of ${what}`, 'an array or a Map', records);
  }
  const packer = new Packer(wire);
  for (const record of records) {
    if (!Array.isArray(record)) {
      throw wrongType(`record ${packer.count} of ${what}`, 'an array of key and value', record);
    }
    const [key, value] = record;
    packer.add(0, PUT, { key, value });
  }
  return packer.close();
}

export class Tree extends Reader {
  constructor(token, wire) {
    if (token !== ours) throw new TypeError('a Tree is made by Tree.memory(), not by new');
    super(wire, 'tree');
  }

  static memory(options) {
    return new Tree(ours, memory('tree', options));
  }

  static async open(place, options) {
    return new Tree(ours, await open('tree', place, options));
  }

  put(key, value) {
    live(this).put(key, value);
  }

  insert(key, value) {
    const wire = live(this);
    if (wire.ask('insert', { key, value })) return wire.value();
    wire.tidy();
    return undefined;
  }

  putIfAbsent(key, value) {
    return live(this).does('put_if_absent', { key, value });
  }

  compareAndPut(key, version, value) {
    return live(this).does('compare_and_put', { key, value }, word(version, 'version'));
  }

  putMany(records) {
    const packed = packRecords(live(this), records, 'putMany');
    const wire = live(this);
    wire.packed('put_many', packed);
    wire.tidy();
  }

  putManyIfAbsent(records) {
    const packed = packRecords(live(this), records, 'putManyIfAbsent');
    const wire = live(this);
    wire.packed('put_many_if_absent', packed);
    return Array.from(wire.value(), (created) => created === 1);
  }

  delete(key) {
    return live(this).delete(key);
  }

  remove(key) {
    const wire = live(this);
    return wire.ask('remove', { key }) ? wire.value() : undefined;
  }

  deleteIfVersion(key, version) {
    return live(this).does('delete_if_version', { key }, word(version, 'version'));
  }

  rename(src, dst, options) {
    live(this);
    const force = flag(known(options, ['force'], 'rename').force, 'force');
    live(this).does('rename', { src, dst }, force);
  }

  renamePrefix(src, dst, options) {
    live(this);
    const force = flag(known(options, ['force'], 'renamePrefix').force, 'force');
    const wire = live(this);
    wire.does('rename_prefix', { src, dst }, force);
    return wire.count();
  }

  deletePrefix(prefix) {
    const wire = live(this);
    wire.does('delete_prefix', { prefix });
    return wire.count();
  }

  atomic(fill) {
    const packer = new Packer(live(this));
    const packed = fillBatch(new Batch(packer), packer, fill);
    const wire = live(this);
    const applied = wire.packed('atomic', packed);
    wire.tidy();
    return applied;
  }

  txn(fill) {
    if (!this.atomic(fill)) live(this).refuseGuard();
  }

  snapshot(prefix = '') {
    const wire = live(this);
    const scope = ownKey(wire, prefix, 'prefix');
    return new Snapshot(ours, wire.open('snapshot', { prefix: scope }, 'snapshot'), scope);
  }

  view(prefix, read) {
    live(this);
    if (typeof read !== 'function') throw wrongType('the second argument of view', 'a function', read);
    return lend(this.snapshot(prefix), read);
  }

  get id() {
    return live(this).invoke('tree_id');
  }

  changesSince(lsn) {
    return decodeChanges(live(this).changes(word(lsn, 'lsn')), false);
  }

  lastLsn() {
    return live(this).invoke('lsn');
  }

  get [Symbol.toStringTag]() {
    return 'Tree';
  }
}

addUpkeep(Tree, live);
