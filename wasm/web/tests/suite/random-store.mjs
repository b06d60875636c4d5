// Seeded random operations against the model: prefixes, guards, snapshots, scans both ways.
import { equal } from './check.mjs';
import { Model, bytes, withoutVersion } from './model.mjs';
import { Random, anyKey, anyValue } from './random.mjs';

const sortable = (key) => String.fromCharCode(...bytes(key));
const unsorted = (text) => Uint8Array.from(text, (character) => character.charCodeAt(0));

class Run {
  constructor(Tree, seed) {
    this.random = new Random(seed);
    this.tree = Tree.memory();
    this.model = new Model();
    this.snapshots = [];
  }

  /** A key that is there, half of the time. */
  key() {
    const { sorted } = this.model;
    return sorted.length > 0 && this.random.next(2) === 0 ? unsorted(this.random.pick(sorted)) : anyKey(this.random);
  }

  prefix() {
    const key = bytes(this.key());
    return key.slice(0, this.random.next(key.length + 1));
  }

  under(prefix) {
    const start = sortable(prefix);
    return this.model.sorted.filter((text) => text.startsWith(start));
  }

  put() {
    const [key, value] = [this.key(), anyValue(this.random)];
    equal(this.tree.insert(key, value), this.model.get(key), 'insert');
    this.model.put(key, value);
  }

  remove() {
    const key = this.key();
    equal(this.tree.remove(key), this.model.get(key), 'remove');
    this.model.delete(key);
  }

  many() {
    const records = Array.from({ length: this.random.next(30) }, () => [this.key(), anyValue(this.random)]);
    const created = records.map(([key, value]) => {
      const free = this.model.get(key) === undefined;
      if (free) this.model.put(key, value);
      return free;
    });
    equal(this.tree.putManyIfAbsent(records), created, 'putManyIfAbsent');
  }

  guarded() {
    const [key, value] = [this.key(), anyValue(this.random)];
    // The batch gives this one a new version before it looks.
    if (sortable(key) === 'guarded') return;
    const version = this.tree.getVersion(key);
    const stale = this.random.next(2) === 0;
    const expected = (version ?? 0n) + (stale ? 1n : 0n);
    const holds = version !== undefined && !stale;
    equal(this.tree.atomic((batch) => batch.put('guarded', value).compareAndPut(key, expected, value)),
      holds, 'compareAndPut');
    if (!holds) return;
    this.model.put('guarded', value);
    this.model.put(key, value);
  }

  deletePrefix() {
    const prefix = this.prefix();
    const keys = this.under(prefix);
    if (keys.length > this.model.sorted.length / 4) return;
    equal(this.tree.deletePrefix(prefix), keys.length, 'deletePrefix');
    for (const text of keys) this.model.delete(unsorted(text));
  }

  renamePrefix() {
    const [src, dst] = [sortable(this.prefix()), sortable(this.prefix())];
    if (src.startsWith(dst) || dst.startsWith(src)) return;
    const moved = this.under(unsorted(src)).map((text) => [text, this.model.values.get(text)]);
    equal(this.tree.renamePrefix(unsorted(src), unsorted(dst), { force: true }), moved.length, 'renamePrefix');
    if (moved.length === 0) return;
    for (const text of this.under(unsorted(dst))) this.model.delete(unsorted(text));
    for (const [text] of moved) this.model.delete(unsorted(text));
    for (const [text, value] of moved) this.model.put(unsorted(dst + text.slice(src.length)), value);
  }

  lookups() {
    const [key, prefix] = [this.key(), this.prefix()];
    equal(this.tree.has(key), this.model.get(key) !== undefined, 'has');
    const keys = this.under(prefix);
    equal(this.tree.isPrefixEmpty(prefix), keys.length === 0, 'isPrefixEmpty');
    equal(this.tree.prefixCount(prefix), { count: keys.length, exact: true }, 'prefixCount');
    const query = sortable(key);
    const above = this.model.sorted.filter((text) => query.startsWith(text)).at(-1);
    const found = this.tree.longestPrefix(key);
    equal(found?.key, above === undefined ? undefined : unsorted(above), 'longestPrefix');
    equal(found?.value, above === undefined ? undefined : this.model.values.get(above));
  }

  scan() {
    const options = { prefix: this.prefix() };
    if (this.random.next(2) === 0) options.delimiter = this.random.pick([0, 0x2f, 0x61]);
    const forwards = this.model.scan(options);
    equal(Array.from(this.tree.scan({ ...options, reverse: true }), withoutVersion), [...forwards].reverse(), 'reverse');
    const [start, end] = [this.random.next(forwards.length + 1), this.random.next(forwards.length + 1)];
    const place = (at) => forwards[at]?.key ?? forwards[at]?.prefix;
    const part = forwards.slice(start, place(end) === undefined ? undefined : Math.max(start, end));
    if (place(start) === undefined) return;
    equal(Array.from(this.tree.scan({ ...options, startAt: place(start), endBefore: place(end) }), withoutVersion), part, 'bounds');
  }

  snapshot() {
    if (this.snapshots.length === 4) {
      const { snapshot, expected } = this.snapshots.splice(this.random.next(4), 1)[0];
      equal(Array.from(snapshot.scan(), withoutVersion), expected, 'snapshot');
      snapshot.free();
    }
    const scope = this.random.next(2) === 0 ? new Uint8Array(0) : this.prefix();
    this.snapshots.push({ snapshot: this.tree.snapshot(scope), expected: this.model.scan({ prefix: scope }) });
  }
}

const WEIGHTS = [
  'put', 'put', 'put', 'many', 'many', 'remove', 'guarded', 'deletePrefix', 'renamePrefix', 'lookups', 'scan', 'snapshot',
];

export function randomStore(test, { Tree }, { seeds = 4, operations = 1200 } = {}) {
  for (let seed = 1; seed <= seeds; seed += 1) {
    test(`prefixes, guards and snapshots agree with the model, seed ${seed}`, () => {
      const run = new Run(Tree, seed);
      for (let step = 0; step < operations; step += 1) {
        const name = run.random.pick(WEIGHTS);
        try {
          run[name]();
        } catch (error) {
          throw new Error(`seed ${seed}, step ${step}, ${name}: ${error.message}`, { cause: error });
        }
        if (step % 200 === 199) run.tree.maintain(16);
      }
      for (const { snapshot, expected } of run.snapshots) {
        equal(Array.from(snapshot.scan(), withoutVersion), expected, 'snapshot');
        snapshot.free();
      }
      equal(Array.from(run.tree.scan(), withoutVersion), run.model.scan(), 'the whole tree');
      equal(run.tree.verify().damage, []);
      run.tree.free();
    });
  }
}
