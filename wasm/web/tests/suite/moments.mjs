// One moment of all trees of a database: snapshots, views, the change feed; and sizes of frames.
import { equal, holtErrors, ok, throwsType } from './check.mjs';
import { bytes } from './model.mjs';
import { Random } from './random.mjs';

const decoder = new TextDecoder();
const text = (array) => decoder.decode(array);
const texts = (entries) => Array.from(entries, (entry) => text(entry.key ?? entry.prefix));
const records = (reader) => Array.from(reader.scan(), ({ key, value }) => [text(key), text(value)]);

/** A database with trees, as `{ name: { key: value } }` says. */
export function databaseOf(Database, trees, options) {
  const database = Database.memory(options);
  for (const [name, entries] of Object.entries(trees)) {
    const tree = database.createTree(name);
    tree.putMany(Object.entries(entries));
    tree.free();
  }
  return database;
}

function snapshots(test, { Database, DatabaseSnapshot, Snapshot, HoltError }) {
  const throwsHolt = holtErrors(HoltError);

  test('a snapshot of a database shows all its trees at one moment', () => {
    const database = databaseOf(Database, { users: { ann: '1', bob: '2' }, index: { 1: 'ann' } });
    const snapshot = database.snapshot();
    equal(snapshot instanceof DatabaseSnapshot, true);
    equal(String(snapshot), '[object DatabaseSnapshot]');
    const from = database.lastLsn();
    equal([typeof snapshot.lsn, snapshot.lsn], ['bigint', from]);
    database.atomic((batch) => batch.put('users', 'cid', '3').put('index', '3', 'cid'));
    database.dropTree('index');
    database.createTree('later').put('k', 'v');
    equal([snapshot.listTrees(), snapshot.size], [['index', 'users'], 2]);
    const [users, index] = [snapshot.tree('users'), snapshot.tree('index')];
    equal(users instanceof Snapshot, true);
    equal([records(users), records(index)], [[['ann', '1'], ['bob', '2']], [['1', 'ann']]]);
    equal([users.scope, users.lsn, users.epoch], [new Uint8Array(0), from, index.epoch]);
    equal(users.page({ limit: 1 }).consistent, true);
    throwsHolt(() => snapshot.tree('later'), 'TREE_NOT_FOUND', 'later');
    database.free();
    snapshot.free();
    equal(users.get('ann'), bytes('1'), 'its trees outlive it');
    users.free();
    equal(index.get('1'), bytes('ann'));
    for (const call of [
      () => snapshot.tree('users'), () => snapshot.listTrees(), () => snapshot.size, () => snapshot.lsn,
    ]) throwsHolt(call, 'SNAPSHOT_FREED', 'database.snapshot()');
    equal(snapshot.free(), undefined, 'twice is fine');
    if (Symbol.dispose) snapshot[Symbol.dispose]();
    throwsHolt(() => database.snapshot(), 'DATABASE_FREED');
  });

  test('what is moved between trees is in every snapshot once', () => {
    const random = new Random(11);
    const names = ['a', 'b', 'c'];
    const database = Database.memory({ frameBytes: 16_384 });
    for (const name of names) database.createTree(name);
    const where = new Map();
    for (let at = 0; at < 300; at += 1) {
      database.openOrCreateTree('a').put(`k${at}`, 'x'.repeat(random.next(200)));
      where.set(`k${at}`, 'a');
    }
    const taken = [];
    for (let step = 0; step < 2000; step += 1) {
      const key = `k${random.next(300)}`;
      const [from, to] = [where.get(key), random.pick(names)];
      equal(database.atomic((batch) => batch.delete(from, key).put(to, key, String(step))), true);
      where.set(key, to);
      if (step % 250 === 0) taken.push([database.snapshot(), new Map(where)]);
    }
    for (const [snapshot, expected] of taken) {
      const found = names.flatMap((name) => texts(snapshot.tree(name).scanKeys()).map((key) => [key, name]));
      equal(found.length, 300);
      ok(found.every(([key, name]) => expected.get(key) === name), 'each key is where it was');
      snapshot.free();
    }
    equal(database.verify().clean, true);
  });

  test('a snapshot of a database that keeps too much expires', () => {
    const database = Database.memory({ snapshotBytes: 1 << 20 });
    const tree = database.createTree('t');
    const fill = (byte) => tree.putMany(Array.from({ length: 3000 }, (_, at) => [`k${at}`, new Uint8Array(900).fill(byte)]));
    fill(1);
    const old = database.snapshot().tree('t');
    fill(2);
    throwsHolt(() => old.get('k1'), 'EXPIRED', 'take another snapshot');
    equal(database.snapshot().tree('t').get('k1')[0], 2);
  });
}

function views(test, { Database, HoltError }) {
  const throwsHolt = holtErrors(HoltError);
  const trees = { users: { 'a/1': 'x', 'a/2': 'y', b: 'z' }, index: { 1: 'ann' }, other: {} };

  test('a view shows some trees under prefixes and ends with its call', async () => {
    const database = databaseOf(Database, trees);
    let kept;
    let users;
    equal(database.view([['users', 'a/'], ['index', '']], (view) => {
      kept = view;
      users = view.tree('users');
      database.atomic((batch) => batch.deletePrefix('users', '').put('index', '2', 'bob'));
      equal([view.listTrees(), view.size, users.scope], [['index', 'users'], 2, bytes('a/')]);
      throwsHolt(() => users.get('b'), 'OUTSIDE_VIEW_SCOPE');
      throwsHolt(() => view.tree('other'), 'TREE_NOT_FOUND', 'other');
      return [records(users), records(view.tree('index'))];
    }), [[['a/1', 'x'], ['a/2', 'y']], [['1', 'ann']]]);
    throwsHolt(() => kept.tree('users'), 'SNAPSHOT_FREED');
    throwsHolt(() => users.get('a/1'), 'SNAPSHOT_FREED');
    throwsType(() => database.view([], (view) => {
      kept = view;
      throw new TypeError('mine');
    }), 'mine');
    throwsHolt(() => kept.size, 'SNAPSHOT_FREED');
    const later = database.view(new Map([['index', '2']]), async (view) => {
      kept = view;
      await null;
      return texts(view.tree('index').scan());
    });
    equal(kept.size, 1, 'not before its promise settles');
    equal(await later, ['2']);
    throwsHolt(() => kept.size, 'SNAPSHOT_FREED');
    equal(database.view([['index', '1'], ['index', bytes('2')]], (view) => texts(view.tree('index').scan())), ['2'],
      'the last prefix counts');
    equal(database.view([], (view) => view.size), 0);
  });

  test('a view of what is none is refused', () => {
    const database = databaseOf(Database, trees);
    const none = () => ok(false, 'is not called');
    throwsHolt(() => database.view([['users', ''], ['nobody', '']], none), 'TREE_NOT_FOUND', 'nobody');
    for (const wrong of [undefined, null, 5, 'users', {}, true]) throwsType(() => database.view(wrong, none), 'view');
    for (const wrong of [undefined, null, 5, 'users', {}]) {
      throwsType(() => database.view([['users', ''], wrong], none), 'tree 1', String(wrong));
      throwsType(() => database.view([['users', '']], wrong), 'function');
    }
    for (const wrong of [undefined, null, 5, bytes('users')]) throwsType(() => database.view([[wrong, '']], none), 'name');
    for (const wrong of [undefined, null, 5, {}]) throwsType(() => database.view([['users', wrong]], none), 'prefix');
    throwsHolt(() => database.view([['users', 'x'.repeat(65_536)]], none), 'KEY_TOO_LONG');
    function* forever() {
      for (;;) yield ['users', ''];
    }
    throwsHolt(() => database.view(forever(), none), 'INVALID_ARGUMENT', 'at most');
    throwsHolt(() => database.view({
      * [Symbol.iterator]() {
        database.free();
        yield ['users', ''];
      },
    }, none), 'DATABASE_FREED');
  });

  test('no snapshot of a database is made by new', () => {
    const { DatabaseSnapshot } = { DatabaseSnapshot: Database.memory().snapshot().constructor };
    throwsType(() => new DatabaseSnapshot(), 'database.snapshot()');
  });
}

/** Applies an event to a Map of Maps by tree, as a follower would. */
function follow(trees, event) {
  if (event.type === 'createTree') trees.set(event.tree, new Map());
  else if (event.type === 'dropTree') trees.delete(event.tree);
  else if (event.type === 'put') trees.get(event.tree).set(text(event.key), text(event.value));
  else if (event.type === 'delete') trees.get(event.tree).delete(text(event.key));
  else {
    const tree = trees.get(event.tree);
    const from = text(event.prefix ?? event.src);
    const moved = [...tree].filter(([key]) => key.startsWith(from));
    for (const [key] of moved) tree.delete(key);
    if (event.type === 'renamePrefix') for (const [key, value] of moved) tree.set(text(event.dst) + key.slice(from.length), value);
  }
}

function feed(test, { Database, HoltError }) {
  const throwsHolt = holtErrors(HoltError);

  test('the feed of a database tells of all trees, each by its number', () => {
    const database = databaseOf(Database, { users: { ann: '1' } }, { feedRetention: 1 << 20 });
    const users = database.openTree('users');
    const snapshot = database.snapshot();
    const trees = new Map([[users.id, new Map(records(snapshot.tree('users')))]]);
    const index = database.createTree('index');
    ok(Number.isInteger(users.id) && users.id !== index.id, 'numbers are their own');
    equal(database.openTree('users').id, users.id, 'of the tree, not of the handle');
    database.atomic((batch) => batch.put('users', 'bob', '2').put('index', '2', 'bob').delete('users', 'ann'));
    users.renamePrefix('b', 'c');
    database.createTree('gone').put('k', 'v');
    database.dropTree('gone');
    const { changes, next, more } = database.changesSince(snapshot.lsn);
    equal(more, false);
    equal(changes.map(({ events }) => events.map(({ type }) => type)), [
      ['createTree'], ['put', 'put', 'delete'], ['renamePrefix'], ['createTree'], ['put'], ['dropTree'],
    ]);
    equal(changes[1].events[1], {
      type: 'put', key: bytes('2'), value: bytes('bob'), version: index.getVersion('2'), tree: index.id,
    });
    ok(changes.every(({ lsn }, at) => at === 0 || lsn > changes[at - 1].lsn), 'positions grow');
    for (const { events } of changes) for (const event of events) follow(trees, event);
    equal([...trees.keys()], [users.id, index.id]);
    equal([...trees.get(users.id)], records(users));
    equal([...trees.get(index.id)], records(index));
    equal(database.changesSince(next), { changes: [], next, more: false });
    ok(next <= database.lastLsn(), 'the feed ends where the database is');
    equal(users.changesSince(snapshot.lsn).changes.flatMap(({ events }) => events.map((event) => 'tree' in event)),
      [false, false, false], "a tree's own feed does not name it");
  });

  test('a database without a feed says so', () => {
    const database = Database.memory();
    throwsHolt(() => database.changesSince(0n), 'INVALID_ARGUMENT', 'feedRetention');
    throwsType(() => database.changesSince(5), 'lsn');
    throwsHolt(() => database.changesSince(-1n), 'INVALID_ARGUMENT', 'lsn');
    const kept = databaseOf(Database, { t: {} }, { feedRetention: 1000 });
    for (let at = 0; at < 300; at += 1) kept.openTree('t').put(`k${at}`, 'v');
    throwsHolt(() => kept.changesSince(0n), 'EXPIRED');
    database.free();
    throwsHolt(() => database.changesSince(0n), 'DATABASE_FREED');
    throwsHolt(() => database.lastLsn(), 'DATABASE_FREED');
  });
}

function frames(test, { Tree, Database, HoltError }) {
  const throwsHolt = holtErrors(HoltError);

  test('frames have the size that is asked for', () => {
    const levels = [16_384, 20_480, 524_288].map((frameBytes) => {
      const tree = Tree.memory({ frameBytes });
      tree.putMany(Array.from({ length: 5000 }, (_, at) => [`k${at}`, new Uint8Array(40)]));
      equal([tree.verify().clean, tree.stats().records, [...tree.scanKeys()].length], [true, 5000, 5000]);
      return tree.stats().frames;
    });
    ok(levels[0] > levels[1] && levels[1] > levels[2], `smaller frames are more frames: ${levels}`);
    for (const frameBytes of [0, 4096, 16_385, 524_289, 2 ** 32 + 16_384, 2 ** 40]) {
      throwsHolt(() => Tree.memory({ frameBytes }), 'INVALID_ARGUMENT', 'frame', String(frameBytes));
      throwsHolt(() => Database.memory({ frameBytes }), 'INVALID_ARGUMENT', 'frame');
    }
    throwsType(() => Tree.memory({ frameBytes: '16384' }), 'frameBytes');
  });
}

export function moments(test, holt) {
  snapshots(test, holt);
  views(test, holt);
  feed(test, holt);
  frames(test, holt);
}
