// Trees of one hostile shape each, large enough to leave one frame.
import { equal, ok } from './check.mjs';
import { Model, withoutVersion } from './model.mjs';
import { Random } from './random.mjs';

const path = (at) => `bucket-${at % 20}/path/sub/file-${String(at).padStart(7, '0')}.bin`;

function order(length, name, random) {
  const list = Array.from({ length }, (_, at) => at);
  if (name === 'descending') return list.reverse();
  if (name === 'random') {
    for (let at = length - 1; at > 0; at -= 1) {
      const other = random.next(at + 1);
      [list[at], list[other]] = [list[other], list[at]];
    }
  }
  return list;
}

const SHAPES = {
  // Each key is a prefix of the next.
  staircase: { count: 1500, key: (at) => new Uint8Array(at).fill(0x61) },
  // All one- and many two-byte keys.
  dense: { count: 20_000, key: (at) => (at < 256 ? Uint8Array.of(at) : Uint8Array.of(at & 255, at >> 8)) },
  nuls: { count: 600, key: (at) => new Uint8Array(at) },
  // Keys that differ only in their last bytes, past the inline limit.
  'long prefix': {
    count: 300,
    key: (at) => {
      const key = new Uint8Array(2000 + (at % 3)).fill(0x70);
      key[1998] = at >> 8;
      key[1999] = at;
      return key;
    },
  },
  paths: { count: 30_000, key: path },
};

export function shapes(test, { Tree }) {
  for (const [name, { count, key }] of Object.entries(SHAPES)) {
    for (const way of ['ascending', 'descending', 'random']) {
      test(`${name}, ${way}`, () => {
        const random = new Random(7);
        const tree = Tree.memory();
        const model = new Model();
        for (const at of order(count, way, random)) {
          const value = `value ${at}`;
          tree.put(key(at), value);
          model.put(key(at), value);
        }
        equal(Array.from(tree.scan(), withoutVersion), model.scan(), 'full');
        equal(tree.verify().damage, []);
        for (const at of order(count, 'random', random).slice(0, count * 0.7)) {
          equal(tree.delete(key(at)), model.delete(key(at)));
        }
        equal(Array.from(tree.scan(), withoutVersion), model.scan(), 'after deletes');
        for (const at of order(count, 'random', random)) equal(tree.get(key(at)), model.get(key(at)));
        tree.compact();
        equal(Array.from(tree.scanKeys(), withoutVersion), model.scan({ keysOnly: true }), 'compacted');
        const report = tree.verify();
        equal(report.damage, []);
        equal(report.records, model.values.size);
        tree.free();
      });
    }
  }

  test('a large tree spills, lists a level, and merges again', ({ diagnostic }) => {
    const tree = Tree.memory();
    const value = '{"size":3071,"mtime":1700000000,"etag":"0123456789ab"}';
    const count = 60_000;
    for (const at of order(count, 'random', new Random(3))) tree.put(path(at), value);
    const level = [...tree.scan({ delimiter: '/' })];
    equal(level.length, 20);
    ok(level.every(({ type }) => type === 'prefix'), 'roll-ups only');
    const full = tree.stats();
    equal(full.records, count);
    equal(full.levels, 2);
    ok(full.frames > 2 && full.spills > 0 && full.pageSplits > 0, 'several frames');
    equal(tree.verify().clean, true);
    for (const at of order(count, 'random', new Random(4))) if (at % 10 !== 0) tree.delete(path(at));
    tree.compact();
    const thin = tree.stats();
    equal(thin.records, count / 10);
    ok(thin.merges > 0 && thin.compactions > 0 && thin.frames < full.frames, 'frames merged');
    equal([...tree.scanKeys()].length, count / 10);
    equal(tree.verify().clean, true);
    diagnostic(`${full.frames} frames on ${full.levels} levels, ${full.pageSplits} page splits, ${full.spills} spills; `
      + `then ${thin.frames} frames, ${thin.pageMerges} page merges, ${thin.merges} merges, ${thin.compactions} compactions`);
    tree.free();
  });
}
