// The methods beyond put, get, delete and forward scans: one behaviour a test.
import { equal, holtErrors, ok } from './check.mjs';
import { bytes } from './model.mjs';

const decoder = new TextDecoder();
const text = (array) => decoder.decode(array);
const texts = (entries) => Array.from(entries, (entry) => text(entry.key ?? entry.prefix));

export const PATHS = ['a', 'a/', 'a/1', 'a/2/x', 'a/2/y', 'b', 'b/1', 'c'];

export function filled(Tree, keys, options) {
  const tree = Tree.memory(options);
  for (const key of keys) tree.put(key, `value of ${key}`);
  return tree;
}

function reading(test, { Tree }) {
  test('getVersion and has agree with getRecord', () => {
    const tree = filled(Tree, ['k']);
    equal(tree.getVersion('k'), tree.getRecord('k').version);
    equal([tree.getVersion('none'), tree.has('none'), tree.has('k')], [undefined, false, true]);
    tree.put('', '');
    equal(tree.has(new Uint8Array(0)), true, 'an empty value is a value');
  });

  test('getMany gives values in the order of the keys', () => {
    const tree = filled(Tree, PATHS);
    equal(tree.getMany(['b', 'none', bytes('a'), 'b']),
      [bytes('value of b'), undefined, bytes('value of a'), bytes('value of b')]);
    equal(tree.getMany([]), []);
    equal(tree.getMany(new Set(['c'])), [bytes('value of c')], 'anything iterable');
  });

  test('longestPrefix finds the nearest key above', () => {
    const tree = filled(Tree, ['10.', '10.1.', '10.2.']);
    const found = tree.longestPrefix('10.1.7');
    equal(Object.keys(found), ['key', 'value', 'version']);
    equal([found.key, found.value], [bytes('10.1.'), bytes('value of 10.1.')]);
    equal(found.version, tree.getVersion('10.1.'));
    equal(text(tree.longestPrefix('10.2.').key), '10.2.', 'the query itself counts');
    equal(text(tree.longestPrefix(bytes('10.9')).key), '10.');
    equal(tree.longestPrefix('11'), undefined);
    tree.put('', new Uint8Array(1 << 20).fill(5));
    equal(tree.longestPrefix('11').key, new Uint8Array(0), 'the empty key is above all');
    equal(tree.longestPrefix('11').value.length, 1 << 20);
    const long = `10.1.${'é'.repeat(30_000)}`;
    tree.put(long, 'long');
    equal(tree.longestPrefix(`${long}/x`).key, bytes(long));
  });

  test('isPrefixEmpty and prefixCount', () => {
    const tree = filled(Tree, PATHS);
    equal([tree.isPrefixEmpty('a/2'), tree.isPrefixEmpty('c'), tree.isPrefixEmpty('z')], [false, false, true]);
    equal(Tree.memory().isPrefixEmpty(''), true);
    equal(tree.prefixCount('a/'), { count: 4, exact: true });
    equal(tree.prefixCount('a/', { limit: 4 }), { count: 4, exact: true });
    equal(tree.prefixCount('a/', { limit: 3 }), { count: 3, exact: false });
    equal(tree.prefixCount('', { limit: Infinity }), { count: PATHS.length, exact: true });
    equal(tree.prefixCount(bytes('none'), { limit: 2 ** 40 }), { count: 0, exact: true });
  });

  test('scans go backwards and keep to their bounds', () => {
    const tree = filled(Tree, PATHS);
    equal(texts(tree.scan({ reverse: true })), [...PATHS].reverse());
    equal(texts(tree.scan({ startAt: 'a/1', endBefore: 'b' })), ['a/1', 'a/2/x', 'a/2/y']);
    equal(texts(tree.scan({ startAfter: 'a/1', endBefore: bytes('b/1') })), ['a/2/x', 'a/2/y', 'b']);
    equal(texts(tree.scan({ reverse: true, startAt: 'b', endBefore: 'a/1' })), ['b', 'a/2/y', 'a/2/x']);
    equal(texts(tree.scan({ reverse: true, startAfter: 'b', limit: 2 })), ['a/2/y', 'a/2/x']);
    equal(texts(tree.scanKeys({ reverse: true, delimiter: '/' })), ['c', 'b/', 'b', 'a/', 'a']);
    equal(texts(tree.scan({ delimiter: '/', startAt: 'a/' })), ['a/', 'b', 'b/', 'c']);
    equal(texts(tree.scan({ delimiter: '/', endBefore: 'a/' })), ['a']);
    equal(texts(tree.scan({ prefix: 'a/', reverse: true, delimiter: '/' })), ['a/2/', 'a/1', 'a/']);
    equal(texts(tree.scan({ startAt: 'b', endBefore: 'b' })), []);
  });

  test('long scans go backwards over many pages', () => {
    const tree = Tree.memory();
    const keys = Array.from({ length: 10_000 }, (_, at) => `key-${String(at).padStart(6, '0')}`);
    tree.putMany(keys.map((key) => [key, key]));
    equal(texts(tree.scanKeys({ reverse: true })), [...keys].reverse());
    equal(texts(tree.scan({ reverse: true, startAt: keys[9000], endBefore: keys[100] })),
      keys.slice(101, 9001).reverse());
  });

  test('tokens lead from one page to the next', () => {
    const tree = filled(Tree, PATHS);
    for (const options of [{}, { reverse: true }, { delimiter: '/' }, { delimiter: '/', reverse: true }, { startAt: 'a/1' }]) {
      const seen = [];
      let token;
      do {
        const page = tree.page({ ...options, limit: 2, token });
        equal(page.consistent, token === undefined, 'of a tree the first page only');
        equal(page.token === null, page.next === null);
        seen.push(...texts(page.entries));
        token = page.token;
      } while (token !== null);
      equal(seen, texts(tree.scan(options)));
    }
    const snapshot = tree.snapshot();
    const first = snapshot.page({ limit: 3, keysOnly: true });
    tree.put('a/0', 'new');
    const second = snapshot.page({ token: first.token, keysOnly: true });
    equal(second.consistent, true);
    equal(texts([...first.entries, ...second.entries]), PATHS);
    equal(tree.page({ token: first.token }).consistent, false);
    equal(texts(tree.page({ token: first.token }).entries), PATHS.slice(3));
  });
}

function writing(test, { Tree, HoltError }) {
  const throwsHolt = holtErrors(HoltError);

  test('insert and remove return what was there', () => {
    const tree = Tree.memory();
    equal(tree.insert('k', 'one'), undefined);
    equal(tree.insert('k', new Uint8Array(500_000).fill(2)), bytes('one'));
    equal(tree.insert('k', ''), new Uint8Array(500_000).fill(2), 'a long value comes out whole');
    equal(tree.remove('k'), new Uint8Array(0));
    equal(tree.remove('k'), undefined);
    equal(tree.has('k'), false);
  });

  test('putIfAbsent, compareAndPut and deleteIfVersion tell a lost race', () => {
    const tree = Tree.memory();
    equal([tree.putIfAbsent('k', '1'), tree.putIfAbsent('k', '2')], [true, false]);
    equal(tree.get('k'), bytes('1'));
    const version = tree.getVersion('k');
    equal(tree.compareAndPut('k', version, '3'), true);
    equal(tree.compareAndPut('k', version, '4'), false);
    equal(tree.compareAndPut('none', version, '4'), false);
    equal(tree.get('k'), bytes('3'));
    ok(tree.getVersion('k') > version, 'a new version');
    equal([tree.deleteIfVersion('k', version), tree.deleteIfVersion('k', 2n ** 64n - 1n)], [false, false]);
    equal(tree.deleteIfVersion('k', tree.getVersion('k')), true);
    equal(tree.deleteIfVersion('k', version), false);
  });

  test('putMany takes pairs, a Map, anything iterable', () => {
    const tree = Tree.memory();
    equal(tree.putMany([['a', '1'], [bytes('b'), bytes('2')], ['a', '3']]), undefined);
    tree.putMany(new Map([['c', '4']]));
    tree.putMany((function* pairs() {
      yield ['d', '5'];
    })());
    tree.putMany([]);
    equal(texts(tree.scan()), ['a', 'b', 'c', 'd']);
    equal(tree.get('a'), bytes('3'), 'later ones win');
    equal(tree.putManyIfAbsent([['a', 'x'], ['e', '6'], ['e', '7']]), [false, true, false]);
    equal([tree.get('a'), tree.get('e')], [bytes('3'), bytes('6')]);
    equal(tree.putManyIfAbsent(new Map()), []);
  });

  test('renamePrefix moves a directory with its versions', () => {
    const tree = filled(Tree, PATHS);
    const version = tree.getVersion('a/2/x');
    equal(tree.renamePrefix('a/2/', 'moved/'), 2);
    equal(texts(tree.scan()), ['a', 'a/', 'a/1', 'b', 'b/1', 'c', 'moved/x', 'moved/y']);
    equal(tree.getVersion('moved/x'), version);
    throwsHolt(() => tree.renamePrefix('a/', 'b/'), 'DST_EXISTS', 'force');
    throwsHolt(() => tree.renamePrefix('a', 'a/1'), 'INVALID_ARGUMENT');
    equal(tree.renamePrefix('a/', 'b/', { force: true }), 2);
    equal(texts(tree.scan()), ['a', 'b', 'b/', 'b/1', 'c', 'moved/x', 'moved/y']);
    equal(tree.get('b/1'), bytes('value of a/1'));
    equal(tree.renamePrefix('none/', 'x/'), 0);
    equal(tree.verify().clean, true);
  });

  test('deletePrefix deletes a directory', () => {
    const tree = filled(Tree, PATHS);
    equal([tree.deletePrefix('a/'), tree.deletePrefix('a/')], [4, 0]);
    equal(texts(tree.scan()), ['a', 'b', 'b/1', 'c']);
    equal(tree.deletePrefix(''), 4);
    equal(tree.stats().records, 0);
  });

  test('prefixes of many frames move and vanish', () => {
    const tree = Tree.memory();
    const value = new Uint8Array(100);
    const count = 20_000;
    tree.putMany(Array.from({ length: count }, (_, at) => [`from/${String(at).padStart(6, '0')}`, value]));
    equal(tree.renamePrefix('from/', 'a/longer/place/'), count);
    equal(tree.prefixCount('a/longer/place/'), { count, exact: true });
    equal(tree.isPrefixEmpty('from/'), true);
    equal(tree.verify().clean, true);
    equal(tree.deletePrefix('a/'), count);
    equal(tree.stats().records, 0);
    equal(tree.verify().clean, true);
  });
}

function guards(test, { Tree, HoltError }) {
  const throwsHolt = holtErrors(HoltError);

  test('every operation of a batch, as a method and as an object', () => {
    const fill = (version) => [
      { type: 'assertAbsent', key: 'new' },
      { type: 'assertPrefixEmpty', prefix: 'new/' },
      { type: 'assertVersion', key: 'a', version },
      { type: 'putIfAbsent', key: 'new', value: '1' },
      { type: 'compareAndPut', key: 'a', version, value: '2' },
      { type: 'rename', src: 'b', dst: 'c', force: true },
      { type: 'renamePrefix', src: 'a/2/', dst: 'x/' },
      { type: 'renamePrefix', src: 'b/', dst: 'x/', force: true },
      { type: 'deletePrefix', prefix: 'a/' },
      { type: 'put', key: bytes('z'), value: bytes('3') },
      { type: 'delete', key: 'none' },
    ];
    const one = filled(Tree, PATHS);
    equal(one.atomic(fill(one.getVersion('a'))), true);
    const two = filled(Tree, PATHS);
    const version = two.getVersion('a');
    equal(two.atomic((batch) => {
      const same = batch.assertAbsent('new').assertPrefixEmpty('new/').assertVersion('a', version)
        .putIfAbsent('new', '1').compareAndPut('a', version, '2').rename('b', 'c', { force: true })
        .renamePrefix('a/2/', 'x/').renamePrefix('b/', 'x/', { force: true }).deletePrefix('a/')
        .put(bytes('z'), bytes('3')).delete('none');
      equal([same === batch, batch.size], [true, 11]);
    }), true);
    for (const tree of [one, two]) {
      equal(Array.from(tree.scan(), ({ key, value }) => `${text(key)}=${text(value)}`),
        ['a=2', 'c=value of b', 'new=1', 'x/1=value of b/1', 'z=3']);
      equal(tree.atomic([{ type: 'deleteIfVersion', key: 'a', version: tree.getVersion('a') }]), true);
      equal(tree.has('a'), false);
    }
  });

  test('a failed guard resolves to false and nothing changes', () => {
    const tree = filled(Tree, PATHS);
    const stale = tree.getVersion('a') + 1n;
    const failing = [
      (batch) => batch.putIfAbsent('a', ''), (batch) => batch.compareAndPut('a', stale, ''),
      (batch) => batch.deleteIfVersion('a', stale), (batch) => batch.assertVersion('a', stale),
      (batch) => batch.assertAbsent('a'), (batch) => batch.assertPrefixEmpty('a/'),
      (batch) => batch.assertVersion('none', stale), (batch) => batch.deleteIfVersion('none', stale),
    ];
    for (const [index, guard] of failing.entries()) {
      const fill = (batch) => guard(batch.put('k', 'v').delete('b').deletePrefix('c'));
      equal(tree.atomic(fill), false, `guard ${index}`);
      throwsHolt(() => tree.txn(fill), 'GUARD_FAILED', 'read again', `guard ${index}`);
    }
    equal(texts(tree.scan()), PATHS);
    equal(tree.txn((batch) => batch.assertAbsent('k').put('k', 'v')), undefined);
    equal(tree.get('k'), bytes('v'));
  });

  test('guards see what the batch did before', () => {
    const tree = filled(Tree, ['a']);
    equal(tree.atomic((batch) => batch.delete('a').assertAbsent('a').putIfAbsent('a', '2')), true);
    equal(tree.atomic((batch) => batch.put('b', '').assertAbsent('b')), false);
    equal(texts(tree.scan()), ['a']);
  });

  test('a failed rename of a batch is an error', () => {
    const tree = filled(Tree, PATHS);
    throwsHolt(() => tree.atomic((batch) => batch.put('k', '').rename('none', 'x')), 'NOT_FOUND');
    throwsHolt(() => tree.atomic((batch) => batch.put('k', '').rename('a', 'b')), 'DST_EXISTS');
    throwsHolt(() => tree.atomic((batch) => batch.put('k', '').renamePrefix('a/', 'b/')), 'DST_EXISTS');
    equal(texts(tree.scan()), PATHS);
  });
}

function upkeep(test, { Tree }) {
  test('checkpoint, gc and vacuum', () => {
    const tree = Tree.memory();
    tree.putMany(Array.from({ length: 5000 }, (_, at) => [`k${at}`, new Uint8Array(200)]));
    equal(tree.checkpoint(), undefined);
    ok(tree.stats().checkpoints > 0, 'a checkpoint was made');
    tree.deletePrefix('k');
    const figures = tree.vacuum();
    ok(figures.bytesAfter < figures.bytesBefore, `${figures.bytesBefore} to ${figures.bytesAfter}`);
    for (const [name, value] of Object.entries(figures)) ok(Number.isSafeInteger(value), name);
    equal(tree.gc(), 0, 'nothing is lost in a sound tree');
    equal(tree.verify().clean, true);
  });
}

export function store(test, holt) {
  reading(test, holt);
  writing(test, holt);
  guards(test, holt);
  upkeep(test, holt);
}
