// Stores in files, in either home. `fresh()` gives a new place, `bytes(place, name)` and
// `put(place, name, bytes)` read and replace one of its files while the store is closed.
import { equal, holtErrors, ok, rejected, throwsType } from './check.mjs';
import { Model, bytes, withoutVersion } from './model.mjs';
import { Random, anyKey, anyValue } from './random.mjs';

const NOW = { lockWait: 0 };
const SMALL = { frameBytes: 16_384, cacheBytes: 1 << 20 };

function lasting(test, { Tree, Database, HoltError }, { fresh }) {
  const throwsHolt = holtErrors(HoltError);

  test('a store in files is there again after it was closed', async () => {
    const place = await fresh();
    const tree = await Tree.open(place);
    equal(tree instanceof Tree, true);
    tree.put('k', 'v');
    tree.put('large', new Uint8Array(1 << 20).fill(7));
    const version = tree.getVersion('k');
    tree.free();
    for (let round = 0; round < 3; round += 1) {
      const again = await Tree.open(place, { sync: round === 1 });
      equal([again.get('k'), again.getVersion('k')], [bytes('v'), version]);
      equal(again.get('large'), new Uint8Array(1 << 20).fill(7));
      again.put('other', String(round));
      ok(again.getVersion('other') > version, 'versions go on');
      if (round === 1) again.checkpoint();
      equal(again.sync(), undefined);
      equal(again.verify().clean, true);
      again.free();
    }
    const last = await Tree.open(place);
    equal(last.get('other'), bytes('2'));
    last.free();
  });

  for (const seed of [1, 2]) {
    test(`random operations over reopenings agree with the model, seed ${seed}`, async () => {
      const random = new Random(seed);
      const [place, model] = [await fresh(), new Model()];
      let tree = await Tree.open(place, SMALL);
      for (let step = 0; step < 3000; step += 1) {
        const [key, what] = [anyKey(random), random.next(10)];
        if (what < 7) {
          const value = anyValue(random);
          tree.put(key, value);
          model.put(key, value);
        } else if (what < 9) {
          equal(tree.delete(key), model.delete(key), `step ${step}`);
        } else {
          equal(tree.get(key), model.get(key), `step ${step}`);
        }
        if (random.next(300) === 0) tree.checkpoint();
        if (random.next(400) === 0) {
          tree.free();
          tree = await Tree.open(place, SMALL);
          equal(Array.from(tree.scan(), withoutVersion), model.scan(), `step ${step}`);
        }
      }
      tree.maintain(1000);
      equal(Array.from(tree.scan(), withoutVersion), model.scan());
      equal(tree.verify().damage, []);
      tree.free();
    });
  }

  test('a database in files keeps its trees, its feed and its journal', async () => {
    const place = await fresh();
    const options = { ...SMALL, feedRetention: 1 << 20 };
    const database = await Database.open(place, options);
    equal(database instanceof Database, true);
    const from = database.lastLsn();
    const users = database.createTree('users');
    database.atomic((batch) => batch.put('users', 'ann', '1').put('users', 'bob', '2'));
    users.free();
    database.free();
    const again = await Database.open(place, options);
    equal(again.listTrees(), ['users']);
    equal(again.changesSince(from).changes.map(({ events }) => events.length), [1, 2]);
    const anchor = (sequence) => ({ sequence, digest: new Uint8Array(32).fill(Number(sequence)) });
    again.initializeJournalStream(anchor(0n));
    const envelope = { previous: anchor(0n), current: anchor(1n), payload: 'cid came' };
    equal(again.atomicWithJournalEnvelope(envelope, (batch) => batch.put('users', 'cid', '3')), true);
    const image = [...again.exportCheckpoint()];
    again.free();
    const third = await Database.open(place, options);
    equal(third.journalState().tail, anchor(1n));
    equal(third.journalEnvelopesAfter(anchor(0n)).envelopes[0].payload, bytes('cid came'));
    equal(third.openTree('users').prefixCount('').count, 3);
    const other = await fresh();
    const copy = await Database.open(other);
    equal((await copy.installCheckpoint(image)).records, 3);
    copy.free();
    const reopened = await Database.open(other);
    equal([...reopened.openTree('users').scan()], [...third.openTree('users').scan()]);
  });

  test('a store stays open as long as any of its handles, and is locked meanwhile', async () => {
    const place = await fresh();
    const database = await Database.open(place);
    throwsHolt(await rejected(Database.open(place, NOW)), 'LOCKED', 'open already');
    throwsHolt(await rejected(Tree.open(place, NOW)), 'LOCKED');
    const tree = database.createTree('t');
    database.free();
    throwsHolt(await rejected(Database.open(place, NOW)), 'LOCKED', 'free its handles');
    tree.put('k', 'v');
    const snapshot = tree.snapshot();
    tree.free();
    equal(snapshot.get('k'), bytes('v'));
    throwsHolt(await rejected(Database.open(place, NOW)), 'LOCKED');
    const start = performance.now();
    throwsHolt(await rejected(Database.open(place, { lockWait: 100 })), 'LOCKED');
    ok(performance.now() - start >= 90, 'it waits as long as it is told');
    const later = Database.open(place);
    setTimeout(() => snapshot.free(), 50);
    const again = await later;
    equal(again.openTree('t').get('k'), bytes('v'), 'who waits gets it');
  });

  test('checkpoints start by themselves, or do not', async () => {
    const checkpoints = [];
    for (const autoCheckpoint of [true, false]) {
      const place = await fresh();
      const tree = await Tree.open(place, { ...SMALL, logBudget: 1 << 20, autoCheckpoint });
      for (let at = 0; at < 5000; at += 1) tree.put(`k${at % 100}`, new Uint8Array(1000).fill(at));
      checkpoints.push(tree.stats().checkpoints);
      tree.free();
      const again = await Tree.open(place);
      equal([again.get('k99'), again.stats().records], [new Uint8Array(1000).fill(4999), 100]);
      again.free();
    }
    ok(checkpoints[0] > 0, 'they do');
    equal(checkpoints[1], 0);
  });

  test('a store that is not there is not created if that is said', async () => {
    const place = await fresh();
    throwsHolt(await rejected(Tree.open(place, { create: false })), 'NO_STORE', 'place');
    (await Tree.open(place)).free();
    const tree = await Tree.open(place, { create: false });
    tree.free();
  });
}

function reading(test, { Tree, Database, HoltError }, { fresh, bytes: read, put }) {
  const throwsHolt = holtErrors(HoltError);
  const FILES = ['blobs.dat', 'journal.wal'];
  const READS = { readOnly: true, lockWait: 0 };

  test('a store that is opened for reading is read, by several, and no byte of it changes', async () => {
    const place = await fresh();
    throwsHolt(await rejected(Tree.open(place, READS)), 'NO_STORE', 'place');
    throwsHolt(await rejected(Tree.open(place, { ...READS, create: true })), 'NO_STORE', 'place');
    const writer = await Tree.open(place, SMALL);
    for (let at = 0; at < 500; at += 1) writer.put(`k${at}`, new Uint8Array(100).fill(at));
    writer.checkpoint();
    // In the log only.
    writer.put('last', 'v');
    throwsHolt(await rejected(Tree.open(place, READS)), 'LOCKED');
    writer.free();
    const before = await Promise.all(FILES.map((name) => read(place, name)));
    const [one, two] = [await Tree.open(place, READS), await Tree.open(place, { ...READS, sync: true })];
    throwsHolt(await rejected(Tree.open(place, NOW)), 'LOCKED');
    for (const tree of [one, two]) {
      equal([tree.get('last'), tree.get('k7'), tree.stats().records], [bytes('v'), new Uint8Array(100).fill(7), 501]);
      const snapshot = tree.snapshot('k');
      equal([snapshot.prefixCount('k').count, tree.verify().clean], [500, true]);
      snapshot.free();
      const writes = [
        () => tree.put('k', 'v'), () => tree.delete('k7'), () => tree.deletePrefix(''), () => tree.putMany([['k', 'v']]),
        () => tree.rename('k7', 'k'), () => tree.atomic((batch) => batch.put('k', 'v')), () => tree.checkpoint(),
        () => tree.compact(), () => tree.vacuum(), () => tree.sync(),
      ];
      for (const write of writes) throwsHolt(write, 'READ_ONLY', '', String(write));
    }
    one.free();
    throwsHolt(await rejected(Tree.open(place, NOW)), 'LOCKED');
    two.free();
    for (const [at, name] of FILES.entries()) equal(await read(place, name), before[at], name);
    const again = await Tree.open(place, NOW);
    again.put('k', 'v');
    again.free();
  });

  test('a database that is opened for reading has its trees, and creates none', async () => {
    const place = await fresh();
    const writer = await Database.open(place, SMALL);
    const users = writer.createTree('users');
    users.put('ann', '1');
    users.free();
    writer.free();
    const database = await Database.open(place, { readOnly: true });
    equal([database.listTrees(), database.openTree('users').get('ann')], [['users'], bytes('1')]);
    throwsHolt(() => database.createTree('more'), 'READ_ONLY');
    throwsHolt(() => database.dropTree('users'), 'READ_ONLY');
    throwsHolt(() => database.atomic((batch) => batch.delete('users', 'ann')), 'READ_ONLY');
    throwsHolt(await rejected(database.installCheckpoint([...database.exportCheckpoint()])), 'READ_ONLY');
  });

  test('half a store is damage for a reader too', async () => {
    const place = await fresh();
    const tree = await Tree.open(place, SMALL);
    tree.put('k', 'v');
    tree.free();
    await put(place, 'journal.wal', new Uint8Array(0));
    throwsHolt(await rejected(Tree.open(place, READS)), 'CORRUPT');
  });
}

function refused(test, { Tree, HoltError }, { fresh, bytes: read, put }) {
  const throwsHolt = holtErrors(HoltError);
  const FILES = ['blobs.dat', 'journal.wal'];

  test('files that are no store, or half of one, are refused and stay as they are', async () => {
    const place = await fresh();
    const tree = await Tree.open(place, SMALL);
    for (let at = 0; at < 500; at += 1) tree.put(`k${at}`, new Uint8Array(100));
    tree.checkpoint();
    tree.put('last', 'v');
    tree.free();
    const sound = await Promise.all(FILES.map((name) => read(place, name)));
    const foreign = bytes('PK\x03\x04 something else '.repeat(1000));
    const cases = [
      ['a foreign store', [foreign, sound[1]], 'NOT_A_STORE'],
      ['a foreign log', [sound[0], foreign], 'NOT_A_STORE'],
      ['no log', [sound[0], new Uint8Array(0)], 'CORRUPT'],
      ['no pages', [new Uint8Array(0), sound[1]], 'CORRUPT'],
      ['cut pages', [sound[0].slice(0, sound[0].length / 2), sound[1]], 'CORRUPT'],
    ];
    for (const [about, files, code] of cases) {
      for (const [at, name] of FILES.entries()) await put(place, name, files[at]);
      throwsHolt(await rejected(Tree.open(place), about), code, '', about);
      for (const [at, name] of FILES.entries()) equal(await read(place, name), files[at], about);
    }
    for (const [at, name] of FILES.entries()) await put(place, name, sound[at]);
    const again = await Tree.open(place);
    equal([again.get('last'), again.stats().records, again.verify().clean], [bytes('v'), 501, true]);
    again.free();
  });

  test('places and options of a wrong kind are refused', async () => {
    for (const wrong of [undefined, null, 5, true, {}, [], new Uint8Array(1)]) {
      throwsType(await rejected(Tree.open(wrong)), 'place', String(wrong));
    }
    const place = await fresh();
    throwsType(await rejected(Tree.open(place, { durable: true })), 'no option');
    throwsType(await rejected(Tree.open(place, 5)), 'options');
    for (const name of ['sync', 'create', 'readOnly', 'autoCheckpoint']) {
      throwsType(await rejected(Tree.open(place, { [name]: 1 })), name);
    }
    for (const name of ['logBudget', 'lockWait', 'cacheBytes']) {
      throwsType(await rejected(Tree.open(place, { [name]: '1' })), name);
      throwsHolt(await rejected(Tree.open(place, { [name]: -1 })), 'INVALID_ARGUMENT', name);
    }
    throwsHolt(await rejected(Tree.open(place, { frameBytes: 5 })), 'INVALID_ARGUMENT', 'frame');
    const tree = await Tree.open(place);
    equal([tree.stats().records, tree.verify().clean], [0, true]);
    tree.free();
  });
}

export function files(test, holt, home) {
  lasting(test, holt, home);
  reading(test, holt, home);
  refused(test, holt, home);
}
