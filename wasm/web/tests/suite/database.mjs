// Snapshots, the change feed, and named trees.
import { equal, holtErrors, ok, throwsType } from './check.mjs';
import { bytes } from './model.mjs';
import { PATHS, filled } from './store.mjs';

const decoder = new TextDecoder();
const text = (array) => decoder.decode(array);
const texts = (entries) => Array.from(entries, (entry) => text(entry.key ?? entry.prefix));
const FEED = { feedRetention: 1 << 20 };

function snapshots(test, { Tree, Snapshot, HoltError }) {
  const throwsHolt = holtErrors(HoltError);

  test('a snapshot shows its moment, whatever comes', () => {
    const tree = filled(Tree, PATHS);
    const snapshot = tree.snapshot();
    equal(snapshot instanceof Snapshot, true);
    equal(String(snapshot), '[object Snapshot]');
    const version = tree.getVersion('a');
    tree.deletePrefix('');
    tree.put('a', 'new');
    equal(snapshot.get('a'), bytes('value of a'));
    equal(snapshot.getRecord('a'), { value: bytes('value of a'), version });
    equal([snapshot.getVersion('a'), snapshot.has('c'), snapshot.has('z')], [version, true, false]);
    equal(snapshot.getMany(['b', 'z']), [bytes('value of b'), undefined]);
    equal(text(snapshot.longestPrefix('b/17').key), 'b/1');
    equal([snapshot.isPrefixEmpty('a/'), tree.isPrefixEmpty('a/')], [false, true]);
    equal(snapshot.prefixCount('a/', { limit: 2 }), { count: 2, exact: false });
    equal(texts(snapshot.scan()), PATHS);
    equal(texts(snapshot.scanKeys({ reverse: true, delimiter: '/' })), ['c', 'b/', 'b', 'a/', 'a']);
    equal(texts(snapshot.page({ prefix: 'a/', limit: 2 }).entries), ['a/', 'a/1']);
    snapshot.free();
    equal(texts(tree.scan()), ['a']);
    equal(tree.verify().clean, true);
  });

  test('a snapshot of a prefix refuses what is outside', () => {
    const tree = filled(Tree, PATHS);
    const snapshot = tree.snapshot('a/');
    equal(snapshot.scope, bytes('a/'));
    snapshot.scope.fill(0);
    equal(snapshot.scope, bytes('a/'), 'a copy');
    equal(texts(snapshot.scan()), ['a/', 'a/1', 'a/2/x', 'a/2/y']);
    equal(texts(snapshot.scan({ prefix: 'a/2/' })), ['a/2/x', 'a/2/y']);
    equal(snapshot.get('a/1'), bytes('value of a/1'));
    equal(text(snapshot.longestPrefix('a/1/z').key), 'a/1');
    for (const call of [
      () => snapshot.get('a'), () => snapshot.getRecord('b'), () => snapshot.getVersion('b'),
      () => snapshot.has('b'), () => snapshot.getMany(['a/1', 'b']), () => snapshot.longestPrefix('a'),
      () => snapshot.isPrefixEmpty(''), () => snapshot.prefixCount('b'),
      () => [...snapshot.scan({ prefix: '' })], () => snapshot.page({ prefix: 'b' }),
      () => snapshot.scanKeys({ prefix: 'b' }).next(),
    ]) throwsHolt(call, 'OUTSIDE_VIEW_SCOPE', 'prefix');
  });

  test('snapshots outlive their tree and number upwards', () => {
    const tree = filled(Tree, ['k']);
    const [one, two] = [tree.snapshot(), tree.snapshot('k')];
    ok(typeof one.epoch === 'bigint' && two.epoch > one.epoch, 'epochs grow');
    equal(typeof one.lsn, 'bigint');
    tree.free();
    equal(one.get('k'), bytes('value of k'));
    one.free();
    equal(two.get('k'), bytes('value of k'));
    two.free();
  });

  test('many snapshots at once each show their own moment', () => {
    const tree = Tree.memory();
    const taken = [];
    for (let round = 0; round < 50; round += 1) {
      tree.put('round', String(round));
      tree.put(`k${round % 7}`, new Uint8Array(3000).fill(round));
      taken.push(tree.snapshot());
    }
    for (const [round, snapshot] of taken.entries()) {
      equal(snapshot.get('round'), bytes(String(round)));
      equal(snapshot.get(`k${round % 7}`)[0], round);
      equal([...snapshot.scanKeys()].length, Math.min(round + 1, 7) + 1);
      snapshot.free();
    }
    equal(tree.verify().clean, true);
  });

  test('a snapshot that keeps too much expires', () => {
    const tree = Tree.memory({ snapshotBytes: 1 << 20 });
    const fill = (byte) => {
      for (let at = 0; at < 3000; at += 1) tree.put(`k${at}`, new Uint8Array(900).fill(byte));
    };
    fill(1);
    const snapshot = tree.snapshot();
    fill(2);
    throwsHolt(() => snapshot.get('k1'), 'EXPIRED', 'take another snapshot');
    throwsHolt(() => [...snapshot.scan()], 'EXPIRED');
    const scan = snapshot.scanKeys();
    throwsHolt(() => scan.next(), 'EXPIRED');
    equal(scan.next(), { done: true, value: undefined }, 'an iterator ends after an error');
    snapshot.free();
    equal(tree.snapshot().get('k1')[0], 2);
  });

  test('view frees its snapshot', async () => {
    const tree = filled(Tree, PATHS);
    let kept;
    equal(tree.view('a/', (snapshot) => {
      kept = snapshot;
      tree.put('a/0', 'new');
      return texts(snapshot.scan());
    }), ['a/', 'a/1', 'a/2/x', 'a/2/y']);
    throwsHolt(() => kept.get('a/1'), 'SNAPSHOT_FREED', 'tree.snapshot()');
    throwsType(() => tree.view('', (snapshot) => {
      kept = snapshot;
      throw new TypeError('mine');
    }), 'mine');
    throwsHolt(() => kept.scan(), 'SNAPSHOT_FREED');
    const later = tree.view('', async (snapshot) => {
      kept = snapshot;
      await null;
      return snapshot.has('a');
    });
    equal(kept.has('a'), true, 'not before its promise settles');
    equal(await later, true);
    throwsHolt(() => kept.has('a'), 'SNAPSHOT_FREED');
  });
}

/** Applies a change to a Map as a follower would. */
function follow(map, { events }) {
  for (const event of events) {
    if (event.type === 'put') map.set(text(event.key), text(event.value));
    if (event.type === 'delete') map.delete(text(event.key));
    if (event.type === 'deletePrefix' || event.type === 'renamePrefix') {
      const from = text(event.prefix ?? event.src);
      const moved = [...map].filter(([key]) => key.startsWith(from));
      for (const [key] of moved) map.delete(key);
      if (event.type === 'deletePrefix') continue;
      const to = text(event.dst);
      for (const key of [...map.keys()]) if (key.startsWith(to)) map.delete(key);
      for (const [key, value] of moved) map.set(to + key.slice(from.length), value);
    }
  }
}

function feed(test, { Tree, HoltError }) {
  const throwsHolt = holtErrors(HoltError);

  test('the change feed tells what was committed, in order', () => {
    const tree = Tree.memory(FEED);
    const from = tree.lastLsn();
    equal(typeof from, 'bigint');
    equal(tree.changesSince(from), { changes: [], next: from, more: false });
    tree.put('k', 'v');
    const version = tree.getVersion('k');
    tree.atomic((batch) => batch.put('a/1', '1').put('a/2', '2').delete('k'));
    tree.renamePrefix('a/', 'b/');
    tree.deletePrefix('b/');
    tree.delete('none');
    const { changes, next, more } = tree.changesSince(from);
    equal(more, false);
    ok(next <= tree.lastLsn(), 'the feed ends where the tree is');
    equal(tree.changesSince(next).changes, []);
    equal(changes.map(({ events }) => events.map(({ type }) => type)),
      [['put'], ['put', 'put', 'delete'], ['renamePrefix'], ['deletePrefix']]);
    equal(changes[0].events[0], { type: 'put', key: bytes('k'), value: bytes('v'), version });
    equal(changes[2].events[0], { type: 'renamePrefix', src: bytes('a/'), dst: bytes('b/') });
    equal(changes[3].events[0], { type: 'deletePrefix', prefix: bytes('b/') });
    ok(changes.every(({ lsn }, at) => at === 0 || lsn > changes[at - 1].lsn), 'positions grow');
    equal(tree.changesSince(changes[1].lsn).changes.length, 3, 'from a position on');
    tree.put('k', 'w');
    equal(tree.changesSince(next).changes.length, 1);
  });

  test('a snapshot and the feed from its position make the tree', () => {
    const tree = filled(Tree, PATHS, FEED);
    const map = new Map();
    const snapshot = tree.snapshot();
    tree.put('a', 'new');
    tree.renamePrefix('a/', 'd/');
    tree.deletePrefix('b');
    tree.rename('c', 'e');
    for (const { key, value } of snapshot.scan()) map.set(text(key), text(value));
    for (const change of tree.changesSince(snapshot.lsn).changes) follow(map, change);
    equal([...map].sort().flat(), Array.from(tree.scan(), ({ key, value }) => [text(key), text(value)]).flat());
  });

  test('a long feed comes in parts', () => {
    const tree = Tree.memory({ feedRetention: 1 << 26 });
    const from = tree.lastLsn();
    const value = new Uint8Array(1 << 20);
    for (let at = 0; at < 20; at += 1) tree.put(`k${at}`, value);
    const seen = [];
    let page = { next: from, more: true };
    let parts = 0;
    while (page.more) {
      page = tree.changesSince(page.next);
      for (const { events: [{ key, value: { length } }] } of page.changes) seen.push([text(key), length]);
      parts += 1;
    }
    equal(seen.length, 20);
    equal(seen[19], ['k19', 1 << 20]);
    ok(parts > 1, 'parts are bounded');
  });

  test('what the feed no longer has is expired', () => {
    const tree = Tree.memory({ feedRetention: 2000 });
    const from = tree.lastLsn();
    for (let at = 0; at < 500; at += 1) tree.put(`k${at}`, 'v');
    throwsHolt(() => tree.changesSince(from), 'EXPIRED', 'snapshot');
    throwsHolt(() => tree.changesSince(0n), 'EXPIRED');
    const off = filled(Tree, ['k']);
    throwsHolt(() => off.changesSince(0n), 'INVALID_ARGUMENT', 'feedRetention');
    ok(off.lastLsn() > 0n, 'there is a position all the same');
  });
}

function databases(test, { Database, Tree, HoltError }) {
  const throwsHolt = holtErrors(HoltError);

  test('trees by name are made, opened, listed and dropped', () => {
    const database = Database.memory();
    equal(String(database), '[object Database]');
    equal(database.listTrees(), []);
    const users = database.createTree('users');
    equal(users instanceof Tree, true);
    throwsHolt(() => database.createTree('users'), 'TREE_EXISTS', 'users');
    throwsHolt(() => database.openTree('nobody'), 'TREE_NOT_FOUND', 'nobody');
    const quote = '漢"\\\n';
    database.openOrCreateTree(quote).put('k', 'v');
    equal(database.openOrCreateTree(quote).get('k'), bytes('v'));
    equal(database.listTrees(), ['users', quote]);
    users.put('ann', '1');
    equal(database.openTree('users').get('ann'), bytes('1'), 'handles share the tree');
    const snapshot = users.snapshot();
    equal(database.dropTree('users'), undefined);
    throwsHolt(() => users.get('ann'), 'TREE_DROPPED');
    throwsHolt(() => users.put('ann', '2'), 'TREE_DROPPED');
    throwsHolt(() => [...users.scan()], 'TREE_DROPPED');
    equal(snapshot.get('ann'), bytes('1'), 'its snapshots live on');
    throwsHolt(() => database.dropTree('users'), 'TREE_NOT_FOUND');
    equal(database.listTrees(), [quote]);
    equal(database.createTree('users').get('ann'), undefined, 'a new tree of the name is empty');
    equal(database.verify().clean, true);
  });

  test('a batch goes over several trees', () => {
    const database = Database.memory();
    const [users, index] = [database.createTree('users'), database.createTree('index')];
    equal(database.atomic((batch) => {
      equal(batch.put('users', 'ann', '1').put('index', '1', 'ann') === batch, true);
      equal(batch.size, 2);
    }), true);
    equal([users.get('ann'), index.get('1')], [bytes('1'), bytes('ann')]);
    const version = users.getVersion('ann');
    equal(database.atomic([
      { type: 'compareAndPut', tree: 'users', key: 'ann', version, value: '2' },
      { type: 'putIfAbsent', tree: 'index', key: '1', value: 'taken' },
    ]), false, 'one failed guard is enough');
    throwsHolt(() => database.txn((batch) => batch.assertAbsent('index', '1')), 'GUARD_FAILED');
    equal(users.getVersion('ann'), version);
    equal(database.atomic((batch) => batch
      .assertVersion('users', 'ann', version).assertAbsent('index', '2').assertPrefixEmpty('index', 'x')
      .compareAndPut('users', 'ann', version, '2').rename('users', 'ann', 'bob')
      .renamePrefix('index', '1', '2').putIfAbsent('index', '3', 'c').delete('users', 'none')
      .deletePrefix('index', 'none')), true);
    equal([texts(users.scan()), texts(index.scan())], [['bob'], ['2', '3']]);
    database.txn((batch) => batch.deleteIfVersion('users', 'bob', users.getVersion('bob')));
    equal(users.has('bob'), false);
    equal(database.atomic(() => {}), true);
    throwsHolt(() => database.atomic((batch) => batch.put('index', 'k', '').put('nobody', 'k', '')), 'TREE_NOT_FOUND');
    throwsHolt(() => database.atomic((batch) => batch.put('index', 'k', '').rename('users', 'x', 'y')), 'NOT_FOUND');
    equal(index.has('k'), false, 'nothing was applied');
  });

  test('upkeep and figures of a database', () => {
    const database = Database.memory();
    const tree = database.createTree('tree');
    database.createTree('empty');
    tree.putMany(Array.from({ length: 3000 }, (_, at) => [`k${at}`, new Uint8Array(200)]));
    throwsHolt(() => tree.gc(), 'GC_REQUIRES_STANDALONE_TREE', 'database');
    throwsHolt(() => tree.vacuum(), 'GC_REQUIRES_STANDALONE_TREE');
    database.checkpoint();
    database.compact();
    equal(typeof database.maintain(3), 'boolean');
    equal(database.gc(), 0);
    equal(typeof database.vacuum().bytesAfter, 'number');
    const stats = database.stats();
    equal([stats.openTreeCount, stats.trees.map(({ name }) => name)], [2, ['empty', 'tree']]);
    equal([stats.trees[1].records, tree.stats().records], [3000, 3000]);
    ok(stats.store.records >= 3000, 'the store has all');
    equal(database.verify().clean, true);
  });

  test("each tree's feed is its own", () => {
    const database = Database.memory(FEED);
    const [one, two] = [database.createTree('one'), database.createTree('two')];
    const from = one.lastLsn();
    database.atomic((batch) => batch.put('one', 'a', '1').put('two', 'b', '2'));
    const keys = (tree) => tree.changesSince(from).changes.flatMap(({ events }) => texts(events));
    equal([keys(one), keys(two)], [['a'], ['b']]);
  });

  test('trees outlive the handle of their database', () => {
    const database = Database.memory();
    const tree = database.createTree('t');
    const other = database.openTree('t');
    database.free();
    database.free();
    tree.put('k', 'v');
    tree.free();
    equal(other.get('k'), bytes('v'));
    for (const call of [
      () => database.createTree('x'), () => database.openTree('t'), () => database.openOrCreateTree('t'),
      () => database.listTrees(), () => database.dropTree('t'), () => database.atomic([]),
      () => database.txn([]), () => database.checkpoint(), () => database.compact(),
      () => database.maintain(), () => database.gc(), () => database.vacuum(), () => database.verify(),
      () => database.stats(),
    ]) throwsHolt(call, 'DATABASE_FREED', 'Database.memory()');
    if (Symbol.dispose) database[Symbol.dispose]();
  });
}

export function database(test, holt) {
  snapshots(test, holt);
  feed(test, holt);
  databases(test, holt);
}
