// Seeded random operations against the model.
import { equal, ok } from './check.mjs';
import { Model, bytes, withoutVersion } from './model.mjs';
import { Random, anyKey, anyValue } from './random.mjs';

function attempt(call) {
  try {
    call();
    return undefined;
  } catch (error) {
    return error.code ?? String(error);
  }
}

class Run {
  constructor(Tree, seed) {
    this.random = new Random(seed);
    this.tree = Tree.memory();
    this.model = new Model();
    this.versions = new Set();
    this.counts = { put: 0, get: 0, delete: 0, rename: 0, atomic: 0, scan: 0 };
  }

  /** Enough records for several frames: paths spread wide, values that stay in their pages. */
  preload(count) {
    const put = (batch) => {
      for (let at = 0; at < count; at += 1) {
        const key = `dir-${this.random.next(6)}/wide-${this.random.next(1e6)}`;
        const value = this.random.bytes(600 + this.random.next(400));
        batch.put(key, value);
        this.model.put(key, value);
      }
    };
    this.tree.atomic(put);
  }

  /** A key that is there, half of the time. */
  key() {
    const { sorted } = this.model;
    if (sorted.length > 0 && this.random.next(2) === 0) {
      return Uint8Array.from(this.random.pick(sorted), (character) => character.charCodeAt(0));
    }
    return anyKey(this.random);
  }

  put() {
    const key = this.key();
    const value = anyValue(this.random);
    this.tree.put(key, value);
    this.model.put(key, value);
    const { version } = this.tree.getRecord(key);
    equal(this.versions.has(version), false, 'versions never repeat');
    this.versions.add(version);
  }

  get() {
    const key = this.key();
    equal(this.tree.get(key), this.model.get(key), 'get');
  }

  delete() {
    const key = this.key();
    equal(this.tree.delete(key), this.model.delete(key), 'delete');
  }

  rename() {
    const [src, dst, force] = [this.key(), this.key(), this.random.next(2) === 0];
    const expected = this.model.rename(src, dst, force);
    equal(attempt(() => this.tree.rename(src, dst, { force })), expected, 'rename');
  }

  atomic() {
    const ops = Array.from({ length: this.random.next(12) }, () => (this.random.next(3) === 0
      ? { type: 'delete', key: this.key() }
      : { type: 'put', key: this.key(), value: anyValue(this.random) }));
    const fill = (batch) => ops.forEach((op) => (
      op.type === 'put' ? batch.put(op.key, op.value) : batch.delete(op.key)));
    equal(this.tree.atomic(this.random.next(2) === 0 ? ops : fill), true);
    for (const op of ops) {
      if (op.type === 'put') this.model.put(op.key, op.value);
      else this.model.delete(op.key);
    }
  }

  scan() {
    const { random } = this;
    const options = {};
    if (random.next(2) === 0) {
      const prefix = bytes(this.key());
      options.prefix = prefix.slice(0, random.next(prefix.length + 1));
    }
    if (random.next(2) === 0) options.startAfter = this.key();
    if (random.next(2) === 0) options.delimiter = random.pick([0, 0x2f, 0x61, 0xff]);
    if (random.next(2) === 0) options.limit = random.next(200);
    const keysOnly = random.next(2) === 0;
    const expected = this.model.scan({ ...options, keysOnly });
    const actual = keysOnly ? this.tree.scanKeys(options) : this.tree.scan(options);
    equal(Array.from(actual, withoutVersion), expected, 'scan');
  }

  /** Pages of odd sizes put together are the whole. */
  pages() {
    const { random } = this;
    const delimiter = random.pick([undefined, 0x2f]);
    const entries = [];
    let startAfter;
    do {
      const page = this.tree.page({
        delimiter, startAfter, limit: 1 + random.next(50), maxBytes: 1 + random.next(20_000),
      });
      entries.push(...page.entries.map(withoutVersion));
      startAfter = page.next ?? undefined;
    } while (startAfter !== undefined);
    equal(entries, this.model.scan({ delimiter }), 'pages');
  }

  /** Everything at once, and the tree's own check. */
  settle() {
    equal(Array.from(this.tree.scan(), withoutVersion), this.model.scan(), 'the whole tree');
    const report = this.tree.verify();
    equal(report.damage, []);
    equal(report.records, this.model.values.size);
    equal(this.tree.stats().records, this.model.values.size);
  }
}

const WEIGHTS = ['put', 'put', 'put', 'put', 'get', 'get', 'delete', 'rename', 'atomic', 'scan'];

export function randomOps(test, { Tree }, { seeds = 6, operations = 1500, records = 2500 } = {}) {
  for (let seed = 1; seed <= seeds; seed += 1) {
    test(`random operations agree with the model, seed ${seed}`, ({ diagnostic }) => {
      const run = new Run(Tree, seed);
      run.preload(records);
      for (let step = 0; step < operations; step += 1) {
        const name = run.random.pick(WEIGHTS);
        try {
          run[name]();
        } catch (error) {
          throw new Error(`seed ${seed}, step ${step}, ${name}: ${error.message}`, { cause: error });
        }
        run.counts[name] += 1;
        if (step % 500 === 499) {
          run.settle();
          run.pages();
        }
        if (step === operations >> 1) run.tree.compact();
        if (step % 97 === 0) run.tree.maintain(4);
      }
      run.settle();
      const { frames, levels, pageSplits, spills, merges } = run.tree.stats();
      ok(spills > 0 && levels > 1, 'several frames');
      diagnostic(`${JSON.stringify(run.counts)}; ${frames} frames, ${pageSplits} page splits, ${spills} spills, ${merges} merges`);
      run.tree.free();
    });
  }
}
