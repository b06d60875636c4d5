// Every method, one behaviour a test.
import { equal, holtErrors, ok } from './check.mjs';
import { bytes } from './model.mjs';

const decoder = new TextDecoder();
const text = (array) => decoder.decode(array);
const texts = (entries) => Array.from(entries, (entry) => text(entry.key ?? entry.prefix));

function filled(Tree, keys) {
  const tree = Tree.memory();
  for (const key of keys) tree.put(key, `value of ${key}`);
  return tree;
}

const PATHS = ['a', 'a/', 'a/1', 'a/2/x', 'a/2/y', 'b', 'b/1', 'c'];

export function methods(test, { Tree, HoltError, buildInfo }) {
  const throwsHolt = holtErrors(HoltError);

  test('put, get and getRecord agree', () => {
    const tree = Tree.memory();
    equal(tree.get('k'), undefined);
    equal(tree.getRecord('k'), undefined);
    equal(tree.put('k', 'v'), undefined);
    equal(tree.get('k'), bytes('v'));
    const first = tree.getRecord('k');
    equal(first.value, bytes('v'));
    equal(typeof first.version, 'bigint');
    tree.put(bytes('k'), bytes('w'));
    const second = tree.getRecord('k');
    equal(second.value, bytes('w'));
    ok(second.version > first.version, 'a later write has a later version');
  });

  test('strings are their UTF-8 bytes', () => {
    const tree = Tree.memory();
    for (const key of ['', 'é', '漢字', '😀', 'x'.repeat(48) + 'é', 'a\0b', 'y'.repeat(200)]) {
      tree.put(key, key);
      equal(tree.get(bytes(key)), bytes(key), key);
    }
  });

  test('results and arguments are copies', () => {
    const tree = Tree.memory();
    const key = bytes('key');
    const value = bytes('value');
    tree.put(key, value);
    key.fill(0);
    value.fill(0);
    const got = tree.get('key');
    equal(got, bytes('value'));
    got.fill(0);
    equal(tree.get('key'), bytes('value'));
    const [entry] = tree.scan();
    equal(entry.key.buffer.byteLength, 3, 'an entry has a buffer of its own');
    entry.value.fill(0);
    equal(tree.get('key'), bytes('value'));
  });

  test('views of a larger buffer give their own part', () => {
    const tree = Tree.memory();
    const large = Uint8Array.from({ length: 200 }, (_, at) => at);
    for (const length of [3, 48, 49, 150]) {
      tree.put(large.subarray(5, 5 + length), large.subarray(20, 20 + length));
      equal(tree.get(large.slice(5, 5 + length)), large.slice(20, 20 + length));
    }
  });

  test('delete says whether there was a record', () => {
    const tree = filled(Tree, ['k', 'ka']);
    equal(tree.delete('k'), true);
    equal(tree.delete('k'), false);
    equal(tree.get('ka'), bytes('value of ka'));
  });

  test('rename moves with a new version', () => {
    const tree = filled(Tree, ['a', 'b']);
    const before = tree.getRecord('a');
    tree.rename('a', 'c');
    equal(tree.get('a'), undefined);
    const after = tree.getRecord('c');
    equal(after.value, before.value);
    ok(after.version > before.version, 'a new version');
    throwsHolt(() => tree.rename('nothing', 'x'), 'NOT_FOUND', 'put it first');
    throwsHolt(() => tree.rename('c', 'b'), 'DST_EXISTS', 'force');
    throwsHolt(() => tree.rename('c', 'b', { force: false }), 'DST_EXISTS');
    equal(tree.get('b'), bytes('value of b'));
    tree.rename('c', 'b', { force: true });
    equal(tree.get('b'), bytes('value of a'));
    equal(tree.get('c'), undefined);
    const same = tree.getRecord('b');
    tree.rename('b', 'b');
    equal(tree.getRecord('b'), same, 'onto itself nothing happens');
  });

  test('atomic takes a function or an array', () => {
    const tree = filled(Tree, ['a']);
    equal(tree.atomic((batch) => {
      equal(batch.size, 0);
      const chained = batch.put('b', '1').put('c', bytes('2')).delete('a');
      equal(chained === batch, true);
      equal(batch.size, 3);
    }), true);
    equal(texts(tree.scan()), ['b', 'c']);
    equal(tree.atomic([
      { type: 'put', key: 'd', value: '4' },
      { type: 'delete', key: bytes('b') },
      { type: 'put', key: 'd', value: '5' },
    ]), true);
    equal(texts(tree.scan()), ['c', 'd']);
    equal(tree.get('d'), bytes('5'), 'later operations win');
    equal(tree.atomic(() => {}), true, 'an empty batch is applied');
    equal(tree.atomic([]), true);
  });

  test('a batch that fails changes nothing', () => {
    const tree = filled(Tree, ['a']);
    const cause = new Error('mine');
    let error;
    try {
      tree.atomic((batch) => {
        batch.delete('a');
        throw cause;
      });
    } catch (caught) {
      error = caught;
    }
    equal(error === cause, true, "the function's own error comes through");
    throwsHolt(() => tree.atomic((batch) => batch.delete('a').put(new Uint8Array(65_536), '')), 'KEY_TOO_LONG');
    equal(texts(tree.scan()), ['a']);
  });

  test('the arrays of a batch are copied when added', () => {
    const tree = Tree.memory();
    tree.atomic((batch) => {
      const buffer = new Uint8Array(1);
      for (let byte = 0; byte < 200; byte += 1) {
        buffer[0] = byte;
        batch.put(buffer, buffer);
      }
    });
    equal(tree.stats().records, 200);
    equal(tree.get(Uint8Array.of(7)), Uint8Array.of(7));
  });

  test('scan gives records in order', () => {
    const tree = filled(Tree, [...PATHS].reverse());
    equal(texts(tree.scan()), PATHS);
    const [entry] = tree.scan({ prefix: 'a/1' });
    equal(Object.keys(entry), ['type', 'key', 'value', 'version']);
    equal(entry.type, 'key');
    equal(entry.value, bytes('value of a/1'));
    equal(entry.version, tree.getRecord('a/1').version);
  });

  test('scan options narrow', () => {
    const tree = filled(Tree, PATHS);
    equal(texts(tree.scan({ prefix: 'a/' })), ['a/', 'a/1', 'a/2/x', 'a/2/y']);
    equal(texts(tree.scan({ startAfter: 'a/2/x' })), ['a/2/y', 'b', 'b/1', 'c']);
    equal(texts(tree.scan({ startAfter: '' })), PATHS);
    equal(texts(tree.scan({ limit: 2 })), ['a', 'a/']);
    equal(texts(tree.scan({ limit: 0 })), []);
    equal(texts(tree.scan({ limit: Infinity, prefix: 'b' })), ['b', 'b/1']);
    equal(texts(tree.scan({ prefix: bytes('a/'), startAfter: bytes('a/1'), limit: 1 })), ['a/2/x']);
    equal(texts(tree.scan({ prefix: 'zzz' })), []);
  });

  test('a delimiter rolls up and skips', () => {
    const tree = filled(Tree, PATHS);
    const level = [...tree.scan({ delimiter: '/' })];
    equal(level.map(({ type }) => type), ['key', 'prefix', 'key', 'prefix', 'key']);
    equal(texts(level), ['a', 'a/', 'b', 'b/', 'c']);
    equal(Object.keys(level[1]), ['type', 'prefix']);
    // A key equal to the prefix is a record.
    equal(texts(tree.scan({ prefix: 'a/', delimiter: 0x2f })), ['a/', 'a/1', 'a/2/']);
    // Passing the last roll-up back never repeats it.
    equal(texts(tree.scan({ delimiter: bytes('/'), startAfter: 'a/' })), ['b', 'b/', 'c']);
    equal(texts(tree.scan({ delimiter: '/', startAfter: 'a/1' })), ['b', 'b/', 'c']);
  });

  test('scanKeys leaves values out', () => {
    const tree = filled(Tree, PATHS);
    const entries = [...tree.scanKeys({ prefix: 'b', delimiter: '/' })];
    equal(texts(entries), ['b', 'b/']);
    equal(Object.keys(entries[0]), ['type', 'key', 'version']);
    equal(entries[0].version, tree.getRecord('b').version);
    equal(texts(tree.scanKeys({ limit: 3, startAfter: 'a' })), ['a/', 'a/1', 'a/2/x']);
  });

  test('long scans cross pages', () => {
    const tree = Tree.memory();
    const keys = Array.from({ length: 10_000 }, (_, at) => `key-${String(at).padStart(6, '0')}`);
    for (const key of keys) tree.put(key, key);
    equal(texts(tree.scan()), keys);
    equal(texts(tree.scanKeys({ startAfter: keys[17], limit: 9000 })), keys.slice(18, 9018));
    let seen = 0;
    for (const entry of tree.scan()) {
      seen += 1;
      if (seen === 300) {
        equal(text(entry.value), keys[299]);
        break;
      }
    }
  });

  test('iterators follow the protocols', async () => {
    const tree = filled(Tree, PATHS);
    const scan = tree.scan();
    equal(scan[Symbol.iterator]() === scan, true);
    equal(text(scan.next().value.key), 'a');
    equal(texts(scan), PATHS.slice(1), 'it goes on where it is');
    equal(scan.next(), { done: true, value: undefined });
    const left = tree.scan();
    for (const entry of left) {
      void entry;
      break;
    }
    equal(left.next().done, true, 'leaving a loop ends the scan');
    const seen = [];
    for await (const entry of tree.scan({ limit: 5 })) seen.push(text(entry.key));
    equal(seen, PATHS.slice(0, 5));
    const asynchronous = tree.scanKeys()[Symbol.asyncIterator]();
    equal(asynchronous[Symbol.asyncIterator]() === asynchronous, true);
    equal((await asynchronous.next()).done, false);
    equal(await asynchronous.return('x'), { done: true, value: 'x' });
    equal((await asynchronous.next()).done, true);
  });

  test('a scan sees the tree as it goes', () => {
    const tree = Tree.memory();
    for (let at = 0; at < 2000; at += 1) tree.put(`k${String(at).padStart(5, '0')}`, '');
    const seen = [];
    for (const { key } of tree.scan()) {
      seen.push(text(key));
      tree.delete(key);
      tree.put(`a${seen.length}`, 'behind the scan');
    }
    equal(seen.length, 2000);
    equal(tree.stats().records, 2000);
  });

  test('pages lead from one to the next', () => {
    const tree = filled(Tree, PATHS);
    const seen = [];
    let startAfter;
    let pages = 0;
    do {
      const page = tree.page({ limit: 3, ...(startAfter && { startAfter }) });
      ok(page.entries.length <= 3, 'bounded');
      seen.push(...texts(page.entries));
      startAfter = page.next;
      pages += 1;
    } while (startAfter !== null);
    equal(seen, PATHS);
    equal(pages, 3);
    equal(texts(tree.page({ delimiter: '/', keysOnly: true }).entries), ['a', 'a/', 'b', 'b/', 'c']);
    equal(tree.page({ keysOnly: true }).entries[0].value, undefined);
    equal(tree.page({ prefix: 'none' }), { entries: [], next: null, token: null, consistent: true });
    const one = tree.page({ maxBytes: 1 });
    equal(texts(one.entries), ['a'], 'at least one entry');
    equal(one.next, bytes('a'));
  });

  test('verify, stats, compact, maintain', () => {
    const tree = filled(Tree, PATHS);
    tree.compact();
    equal(typeof tree.maintain(), 'boolean');
    equal(typeof tree.maintain(1), 'boolean');
    const report = tree.verify();
    equal(report.clean, true);
    equal(report.records, PATHS.length);
    equal(report.damage, []);
    const stats = tree.stats();
    equal(stats.records, PATHS.length);
    for (const [name, value] of Object.entries(stats)) ok(Number.isSafeInteger(value), name);
  });

  test('trees are apart', () => {
    const one = filled(Tree, ['a']);
    const two = filled(Tree, ['b']);
    equal(texts(one.scan()), ['a']);
    one.free();
    equal(texts(two.scan()), ['b']);
  });

  test('the build uses SIMD and says its limits', () => {
    const info = buildInfo();
    equal(info.simd, true);
    ok(/^\d+\.\d+\.\d+/.test(info.version), info.version);
    equal(info.limits.keyBytes, 65_535);
    equal(info.limits.valueBytes, 1 << 20);
  });
}
