// Checkpoint images: out as chunks and streams, in again, damaged, and stopped half way.
import { equal, holtErrors, ok, rejected, throwsType } from './check.mjs';
import { bytes } from './model.mjs';
import { databaseOf } from './moments.mjs';

const TREES = {
  users: { ann: '1', bob: '2', 'long/key': 'x'.repeat(5000) }, empty: {}, '漢': { '': '', k: 'v' },
};

/** The bytes of chunks, as one array. */
function joined(chunks) {
  const list = [...chunks];
  const out = new Uint8Array(list.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const chunk of list) {
    out.set(chunk, at);
    at += chunk.length;
  }
  return out;
}

/** Every record of every tree, with its version. */
const contents = (database) => database.listTrees().map((name) => [name, [...database.openTree(name).scan()]]);

const imageOf = (Database, trees) => joined(databaseOf(Database, trees).exportCheckpoint());

function* cut(image, length) {
  for (let at = 0; at < image.length; at += length) yield image.slice(at, at + length);
}

const streamOf = (chunks, cancelled = () => {}) => {
  const iterator = chunks[Symbol.iterator]();
  return new ReadableStream({
    pull(controller) {
      const { done, value } = iterator.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: cancelled,
  });
};

function whole(test, { Database, validateCheckpoint, buildInfo, HoltError }) {
  const throwsHolt = holtErrors(HoltError);

  test('an image brings every tree with its versions, from any source', async () => {
    const database = databaseOf(Database, TREES);
    const image = joined(database.exportCheckpoint());
    const expected = contents(database);
    const maxVersion = expected.flatMap(([, entries]) => entries.map(({ version }) => version))
      .reduce((most, version) => (version > most ? version : most));
    const summary = { trees: 3, records: 5, maxVersion };
    const sources = {
      array: () => image,
      list: () => [...cut(image, 1000)],
      iterator: () => cut(image, 7),
      generator: () => (async function* slow() {
        for (const chunk of cut(image, 500)) {
          await null;
          yield chunk;
          yield new Uint8Array(0);
        }
      })(),
      stream: () => streamOf(cut(image, 333)),
      'stream of a runtime where streams are not iterable': () => {
        const stream = streamOf(cut(image, 333));
        return { getReader: () => stream.getReader() };
      },
      'part of a larger buffer': () => joined([new Uint8Array(9), image, new Uint8Array(9)]).subarray(9, 9 + image.length),
      'another database': () => database.exportCheckpoint(),
      response: () => new Response(database.exportCheckpoint().stream()).body,
    };
    for (const [name, source] of Object.entries(sources)) {
      const copy = databaseOf(Database, { own: { k: 'mine' } });
      equal(await validateCheckpoint(source()), summary, name);
      equal(await copy.installCheckpoint(source()), summary, name);
      equal(contents(copy), [...expected, ['own', [...copy.openTree('own').scan()]]]
        .sort(([one], [two]) => Number(one > two) - Number(one < two)), name);
      const tree = copy.openTree('users');
      tree.put('ann', 'new');
      ok(tree.getVersion('ann') > maxVersion, 'later writes have higher versions');
      equal(copy.verify().clean, true);
      copy.free();
    }
    equal(await Database.memory().installCheckpoint(imageOf(Database, {})), { trees: 0, records: 0, maxVersion: 0n });
  });

  test('an image is the same bytes, however it is cut', async () => {
    const database = databaseOf(Database, TREES);
    const image = joined(database.exportCheckpoint());
    for (const chunkBytes of [1, 10, 4096, buildInfo().limits.imageChunkBytes]) {
      const chunks = [...database.exportCheckpoint({ chunkBytes })];
      ok(chunks.every(({ length }) => length > 0 && length <= chunkBytes), 'chunks are bounded');
      equal(joined(chunks), image, `${chunkBytes}`);
    }
    const seen = [];
    for await (const chunk of database.exportCheckpoint({ chunkBytes: 100 })) seen.push(chunk);
    equal(joined(seen), image, 'asynchronously');
    equal(new Uint8Array(await new Response(database.exportCheckpoint().stream()).arrayBuffer()), image);
    equal(new Set(seen.map(({ buffer }) => buffer)).size, seen.length, 'chunks have buffers of their own');
  });

  test('an image shows the moment it was begun, whatever comes', async () => {
    const database = databaseOf(Database, TREES);
    const expected = contents(database);
    const chunks = [];
    for (const chunk of database.exportCheckpoint({ chunkBytes: 50 })) {
      chunks.push(chunk);
      database.openOrCreateTree('users').put(`k${chunks.length}`, 'new');
      if (chunks.length === 3) database.dropTree('漢');
    }
    const export2 = database.exportCheckpoint();
    database.free();
    ok(joined(export2).length > 0, 'it outlives the handle of its database');
    const copy = Database.memory();
    await copy.installCheckpoint(chunks);
    equal(contents(copy), expected);
  });

  test('an image of many megabytes goes from store to store', async () => {
    const database = Database.memory();
    const tree = database.createTree('t');
    for (let at = 0; at < 12; at += 1) tree.put(`v${at}`, new Uint8Array(1 << 20).fill(at));
    tree.putMany(Array.from({ length: 20_000 }, (_, at) => [`k${String(at).padStart(6, '0')}`, String(at)]));
    const copy = Database.memory({ frameBytes: 65_536 });
    const { records } = await copy.installCheckpoint(database.exportCheckpoint({ chunkBytes: 65_536 }).stream());
    equal(records, 20_012);
    const other = copy.openTree('t');
    equal([other.get('v11')[9], other.get('k019999')], [11, bytes('19999')]);
    equal(other.prefixCount('k').count, 20_000);
    equal(copy.verify().clean, true);
    const [one, two] = [tree, other].map((each) => [...each.scanKeys({ prefix: 'k' })]);
    equal(one, two);
  });

  test('an image that is left or expires gives its moment up', () => {
    const database = Database.memory({ snapshotBytes: 1 << 20 });
    const tree = database.createTree('t');
    const fill = (byte) => tree.putMany(Array.from({ length: 3000 }, (_, at) => [`k${at}`, new Uint8Array(900).fill(byte)]));
    fill(1);
    const left = database.exportCheckpoint({ chunkBytes: 1000 });
    for (const chunk of left) {
      equal(chunk.length, 1000);
      break;
    }
    equal(left.next(), { done: true, value: undefined });
    const disposed = database.exportCheckpoint();
    if (Symbol.dispose) {
      disposed[Symbol.dispose]();
      equal(disposed.next().done, true);
    }
    const expired = database.exportCheckpoint({ chunkBytes: 1000 });
    equal(expired.next().done, false);
    fill(2);
    throwsHolt(() => [...expired], 'EXPIRED');
    equal(expired.next().done, true, 'it ends after an error');
    const again = database.exportCheckpoint();
    equal(again[Symbol.iterator]() === again, true);
  });
}

function broken(test, { Database, validateCheckpoint, HoltError }) {
  const throwsHolt = holtErrors(HoltError);

  test('damaged images change nothing', async () => {
    const image = imageOf(Database, TREES);
    const database = databaseOf(Database, { own: { k: 'mine' } });
    const before = contents(database);
    const damaged = [];
    for (let at = 0; at < image.length; at += at < 100 ? 1 : 61) {
      const flipped = image.slice();
      flipped[at] ^= 1 << (at % 8);
      damaged.push([`flip at ${at}`, flipped], [`cut at ${at}`, image.slice(0, at)]);
    }
    damaged.push(['a tail', joined([image, new Uint8Array(1)])], ['another file', bytes('PK\x03\x04'.repeat(100))]);
    damaged.push(['twice', joined([image, image])], ['nothing', new Uint8Array(0)]);
    for (const [about, bad] of damaged) {
      for (const outcome of [validateCheckpoint(cut(bad, 700)), database.installCheckpoint(cut(bad, 700))]) {
        const call = await rejected(outcome, about);
        try {
          throwsHolt(call, 'INVALID_IMAGE', '', about);
        } catch (error) {
          throwsHolt(call, 'UNSUPPORTED_FORMAT', '', error.message);
        }
      }
      equal(database.listTrees(), ['own'], about);
    }
    equal(contents(database), before);
    equal([database.verify().clean, database.gc()], [true, 0], 'nothing is left behind');
    equal((await database.installCheckpoint(image)).trees, 3, 'and the sound one goes in');
  });

  test('an image whose names are taken is refused whole', async () => {
    const database = databaseOf(Database, { users: { k: 'mine' } });
    throwsHolt(await rejected(database.installCheckpoint(imageOf(Database, TREES))), 'TREE_EXISTS', 'users');
    equal([database.listTrees(), database.stats().store.records > 0], [['users'], true]);
    equal(database.openTree('users').get('k'), bytes('mine'));
    database.openTree('users').put('k', 'again');
  });

  test('a source that fails is what is thrown, and nothing changed', async () => {
    const image = imageOf(Database, TREES);
    const database = Database.memory();
    const mine = new Error('mine');
    let ended = 0;
    function* failing(rest) {
      try {
        yield* cut(image, 100);
        yield* rest;
        throw mine;
      } finally {
        ended += 1;
      }
    }
    const thrown = await database.installCheckpoint(failing([])).catch((error) => error);
    equal(thrown === mine, true);
    for (const wrong of [undefined, null, 5, 'text', [1], new ArrayBuffer(4), new Uint16Array(2), {}]) {
      throwsType(await rejected(database.installCheckpoint(failing([wrong]))), 'chunk', String(wrong));
      throwsType(await rejected(validateCheckpoint(failing([wrong]))), 'chunk');
    }
    equal(ended, 17, 'sources are told to end');
    let cancelled = 0;
    function* endless() {
      yield 5;
      for (;;) yield* cut(image, 100);
    }
    const stream = () => streamOf(endless(), () => {
      cancelled += 1;
    });
    throwsType(await rejected(database.installCheckpoint(stream())), 'chunk');
    const inner = stream();
    throwsType(await rejected(database.installCheckpoint({ getReader: () => inner.getReader() })), 'chunk');
    equal(cancelled, 2, 'streams are cancelled');
    const gone = new Uint8Array(8);
    structuredClone(gone, { transfer: [gone.buffer] });
    throwsType(await rejected(database.installCheckpoint([gone])), 'transferred');
    for (const wrong of [undefined, null, 5, 'image', {}, new Uint16Array(2)]) {
      throwsType(await rejected(database.installCheckpoint(wrong)), 'Uint8Array', String(wrong));
      throwsType(await rejected(validateCheckpoint(wrong)), 'Uint8Array', String(wrong));
    }
    equal([database.listTrees(), database.verify().clean], [[], true]);
    database.createTree('users').put('k', 'writes go on');
  });

  test('while an image comes in reads go on and writes are refused', async () => {
    const image = imageOf(Database, TREES);
    const database = databaseOf(Database, { own: { k: 'mine' } });
    const own = database.openTree('own');
    let looked = 0;
    async function* slowly() {
      for (const chunk of cut(image, 2000)) {
        yield chunk;
        equal([own.get('k'), database.listTrees()], [bytes('mine'), ['own']]);
        throwsHolt(() => own.put('k', 'new'), 'INVALID_ARGUMENT', 'image');
        throwsHolt(() => database.createTree('new'), 'INVALID_ARGUMENT', 'image');
        throwsHolt(() => database.atomic((batch) => batch.delete('own', 'k')), 'INVALID_ARGUMENT', 'image');
        throwsHolt(await rejected(database.installCheckpoint(image)), 'INVALID_ARGUMENT', 'image');
        looked += 1;
      }
    }
    await database.installCheckpoint(slowly());
    ok(looked >= 3, 'between chunks');
    own.put('k', 'new');
    equal(database.listTrees(), ['empty', 'own', 'users', '漢']);
  });

  test('images take their options and handles as everything does', async () => {
    const database = databaseOf(Database, TREES);
    for (const chunkBytes of [0, -1, 0.5, NaN, Infinity, 2 ** 20 + 1]) {
      throwsHolt(() => database.exportCheckpoint({ chunkBytes }), 'INVALID_ARGUMENT', 'chunkBytes');
    }
    for (const chunkBytes of [null, '5', 5n, {}]) throwsType(() => database.exportCheckpoint({ chunkBytes }), 'chunkBytes');
    throwsType(() => database.exportCheckpoint({ bytes: 5 }), 'no option');
    throwsType(() => database.exportCheckpoint(5), 'options');
    database.free();
    throwsHolt(() => database.exportCheckpoint(), 'DATABASE_FREED');
    throwsHolt(await rejected(database.installCheckpoint([])), 'DATABASE_FREED');
  });
}

export function images(test, holt) {
  whole(test, holt);
  broken(test, holt);
}
