// Wrong arguments, limits, use after free: always an error that says what to do, never a trap.
import { equal, holtErrors, ok, thrown, throwsType } from './check.mjs';
import { bytes } from './model.mjs';

// Of no type a key may have.
const NOT_BYTES = [
  undefined, null, 0, 1.5, NaN, 7n, true, Symbol('s'), {}, [], [1, 2], () => {}, new ArrayBuffer(4),
  new DataView(new ArrayBuffer(4)), new Uint16Array(2), new Int8Array(2), new Uint8ClampedArray(2),
  new Date(0), Object.create(Uint8Array.prototype), new Proxy(new Uint8Array(2), {}),
  { length: 3, 0: 1 }, new String('x'), { toString: () => 'key' },
];

const NOT_OPTIONS = [null, 0, 'prefix', true, [], 5n, Symbol('s'), () => {}];

export function hostile(test, { Tree, HoltError, buildInfo }) {
  const throwsHolt = holtErrors(HoltError);
  const { limits } = buildInfo();

  test('keys and values of a wrong type are TypeErrors', () => {
    const tree = Tree.memory();
    tree.put('a', '1');
    for (const [index, wrong] of NOT_BYTES.entries()) {
      const about = `wrong value ${index}`;
      const calls = [
        [() => tree.get(wrong), 'key'],
        [() => tree.getRecord(wrong), 'key'],
        [() => tree.put(wrong, 'v'), 'key'],
        [() => tree.put('k', wrong), 'value'],
        [() => tree.delete(wrong), 'key'],
        [() => tree.rename(wrong, 'k'), 'src'],
        [() => tree.rename('a', wrong), 'dst'],
        [() => tree.atomic((batch) => batch.put(wrong, '')), 'key'],
        [() => tree.atomic((batch) => batch.put('k', wrong)), 'value'],
        [() => tree.atomic((batch) => batch.delete(wrong)), 'key'],
        [() => tree.atomic([{ type: 'put', key: 'b', value: '' }, { type: 'delete', key: wrong }]), 'key'],
      ];
      if (wrong !== undefined) {
        calls.push([() => tree.scan({ prefix: wrong }), 'prefix']);
        calls.push([() => tree.scanKeys({ startAfter: wrong }), 'startAfter']);
        calls.push([() => tree.page({ prefix: wrong }), 'prefix']);
        if (typeof wrong !== 'number') calls.push([() => tree.scan({ delimiter: wrong }), 'delimiter']);
      }
      for (const [call, what] of calls) throwsType(call, what, about);
    }
    equal([...tree.scan()].length, 1, 'nothing changed');
  });

  test('options of a wrong type or name are TypeErrors', () => {
    const tree = Tree.memory();
    for (const wrong of NOT_OPTIONS) {
      throwsType(() => tree.scan(wrong), 'options', 'scan');
      throwsType(() => tree.scanKeys(wrong), 'options', 'scanKeys');
      throwsType(() => tree.page(wrong), 'options', 'page');
      throwsType(() => tree.rename('a', 'b', wrong), 'options', 'rename');
      if (typeof wrong === 'function') continue;
      if (!Array.isArray(wrong)) throwsType(() => tree.atomic(wrong), 'atomic', 'atomic');
    }
    throwsType(() => tree.scan({ start_after: 'a' }), 'startAfter', 'a slip of the name');
    throwsType(() => tree.scan({ maxBytes: 1 }), 'no option');
    throwsType(() => tree.rename('a', 'b', true), 'options');
    for (const force of [null, 0, 1, 'yes', {}]) throwsType(() => tree.rename('a', 'b', { force }), 'force');
    for (const limit of [null, '5', 5n, {}, true]) {
      throwsType(() => tree.scan({ limit }), 'limit');
      throwsType(() => tree.page({ limit }), 'limit');
      throwsType(() => tree.page({ maxBytes: limit }), 'maxBytes');
      throwsType(() => tree.maintain(limit), 'pages');
    }
    for (const keysOnly of [null, 1, 'no']) throwsType(() => tree.page({ keysOnly }), 'keysOnly');
    for (const op of [null, 5, 'put', undefined]) throwsType(() => tree.atomic([op]), 'operation 0');
    for (const op of [{}, { type: 'merge', key: 'k' }, { key: 'k', value: 'v' }]) {
      throwsType(() => tree.atomic([{ type: 'put', key: 'a', value: '' }, op]), 'operation 1');
    }
    throwsType(() => tree.atomic(), 'atomic');
    throwsType(() => tree.atomic(new Array(3)), 'operation 0', 'holes');
    throwsType(() => tree.atomic(async (batch) => batch.put('k', 'v')), 'async');
    equal([...tree.scan()].length, 0, 'nothing changed');
  });

  test('numbers out of range are named', () => {
    const tree = Tree.memory();
    for (const limit of [-1, 0.5, NaN, -Infinity]) throwsHolt(() => tree.scan({ limit }), 'INVALID_ARGUMENT', 'limit');
    for (const limit of [0, -1, 1.5, NaN, -Infinity]) {
      throwsHolt(() => tree.page({ limit }), 'INVALID_ARGUMENT', 'limit');
    }
    for (const maxBytes of [0, -1, 1.5, NaN]) {
      throwsHolt(() => tree.page({ maxBytes }), 'INVALID_ARGUMENT', 'maxBytes');
    }
    for (const delimiter of [-1, 256, 1.5, NaN, '', 'ab', 'é', new Uint8Array(0), new Uint8Array(2)]) {
      throwsHolt(() => tree.scan({ delimiter }), 'INVALID_ARGUMENT', 'delimiter', String(delimiter));
    }
    for (const pages of [0, -1, 0.5, 2 ** 32, Infinity]) {
      throwsHolt(() => tree.maintain(pages), 'INVALID_ARGUMENT', 'pages');
    }
    tree.put('k', 'v');
    for (const most of [limits.pageEntries, limits.pageEntries + 1, limits.pageBytes + 1, 2 ** 32, 2 ** 52, Infinity]) {
      const page = tree.page({ limit: most, maxBytes: most });
      equal([page.entries.length, page.next], [1, null], `at most ${most}`);
    }
  });

  test('strings without a UTF-8 form are refused', () => {
    const tree = Tree.memory();
    for (const text of ['\ud800', 'a\udc00b', `${'x'.repeat(100)}\ud83d`, '\udc00\ud800']) {
      throwsHolt(() => tree.put(text, 'v'), 'INVALID_ARGUMENT', 'Uint8Array');
      throwsHolt(() => tree.put('k', text), 'INVALID_ARGUMENT', 'Uint8Array');
      throwsHolt(() => tree.get(text), 'INVALID_ARGUMENT', 'Uint8Array');
      throwsHolt(() => tree.scan({ prefix: text }), 'INVALID_ARGUMENT', 'Uint8Array');
      throwsHolt(() => tree.atomic((batch) => batch.put(text, '')), 'INVALID_ARGUMENT');
    }
    equal(tree.stats().records, 0);
  });

  test('a key at its limit works, one over does not', () => {
    const tree = Tree.memory();
    for (const length of [limits.keyBytes - 1, limits.keyBytes]) {
      const key = new Uint8Array(length).fill(length & 255);
      tree.put(key, 'v');
      equal(tree.get(key), bytes('v'), `${length}`);
      tree.atomic((batch) => batch.put(key, 'w'));
      const [entry] = tree.scan({ prefix: key });
      equal(entry.key, key);
      equal(entry.value, bytes('w'));
    }
    const text = 'k'.repeat(limits.keyBytes);
    tree.put(text, 'text');
    equal(tree.get(text), bytes('text'));
    const accented = 'é'.repeat(limits.keyBytes >> 1);
    tree.put(accented, 'two bytes each');
    equal(tree.get(accented), bytes('two bytes each'));
    const over = [
      new Uint8Array(limits.keyBytes + 1), `${text}k`, `${accented}é`, '😀'.repeat(16_384),
      new Uint8Array(1 << 25),
    ];
    const records = tree.stats().records;
    for (const key of over) {
      const length = bytes(key).length;
      const calls = [
        () => tree.get(key), () => tree.getRecord(key), () => tree.put(key, ''), () => tree.delete(key),
        () => tree.rename(key, 'x'), () => tree.rename(text, key), () => tree.scan({ prefix: key }),
        () => tree.scan({ startAfter: key }), () => tree.page({ startAfter: key }),
        () => tree.atomic((batch) => batch.put('b', '').put(key, '')),
        () => tree.atomic([{ type: 'delete', key }]),
      ];
      for (const [index, call] of calls.entries()) {
        const error = throwsHolt(call, 'KEY_TOO_LONG', 'shorten it', `call ${index}`);
        ok(error.message.includes(`${length} bytes`), `${error.message} names ${length}`);
      }
    }
    equal(tree.stats().records, records, 'nothing changed');
    equal(tree.verify().clean, true);
  });

  test('a value at its limit works, one over does not', () => {
    const tree = Tree.memory();
    for (const length of [limits.valueBytes - 1, limits.valueBytes]) {
      const value = new Uint8Array(length).map((_, at) => at);
      tree.put('v', value);
      equal(tree.get('v'), value);
      equal([...tree.scan()][0].value, value);
    }
    tree.put('text', 'x'.repeat(limits.valueBytes));
    equal(tree.get('text').length, limits.valueBytes);
    const before = tree.getRecord('v');
    for (const value of [new Uint8Array(limits.valueBytes + 1), 'é'.repeat((limits.valueBytes >> 1) + 1), new Uint8Array(1 << 25)]) {
      throwsHolt(() => tree.put('v', value), 'VALUE_TOO_LONG', 'over the limit of 1048576');
      throwsHolt(() => tree.atomic((batch) => batch.delete('v').put('v', value)), 'VALUE_TOO_LONG');
    }
    equal(tree.getRecord('v'), before, 'nothing changed');
  });

  test('a batch over its limits changes nothing', () => {
    const tree = Tree.memory();
    tree.put('a', '1');
    const half = new Uint8Array(limits.valueBytes);
    throwsHolt(() => tree.atomic((batch) => {
      for (let at = 0; at < 17; at += 1) batch.put(`k${at}`, half);
    }), 'WAL_RECORD_TOO_LARGE', 'split it');
    throwsHolt(() => tree.atomic((batch) => {
      for (let at = 0; at <= limits.batchOps; at += 1) batch.delete('x');
    }), 'BATCH_TOO_LARGE', 'split it');
    throwsHolt(() => tree.atomic(Array.from({ length: limits.batchOps + 1 }, () => ({ type: 'delete', key: 'x' }))),
      'BATCH_TOO_LARGE');
    equal([...tree.scan()].map(({ key }) => key), [bytes('a')]);
    equal(tree.atomic((batch) => {
      for (let at = 0; at < limits.batchOps; at += 1) batch.put(`k${at % 500}`, String(at));
    }), true, 'at the limit');
    equal(tree.stats().records, 501);
    equal(tree.verify().clean, true);
  });

  test('a batch outlives its call to no effect', () => {
    const tree = Tree.memory();
    let kept;
    tree.atomic((batch) => {
      kept = batch;
    });
    throwsHolt(() => kept.put('k', 'v'), 'INVALID_ARGUMENT', 'applied already');
    thrown(() => tree.atomic((batch) => {
      kept = batch;
      throw new Error('stop');
    }));
    throwsHolt(() => kept.delete('k'), 'INVALID_ARGUMENT');
    equal(tree.stats().records, 0);
  });

  test('after free every call says so', () => {
    const tree = Tree.memory();
    for (let at = 0; at < 500; at += 1) tree.put(`k${at}`, 'v');
    const scan = tree.scan();
    const unstarted = tree.scanKeys();
    scan.next();
    equal(tree.free(), undefined);
    const calls = {
      get: () => tree.get('k'), getRecord: () => tree.getRecord('k'), put: () => tree.put('k', 'v'),
      delete: () => tree.delete('k'), rename: () => tree.rename('k', 'l'), atomic: () => tree.atomic([]),
      scan: () => tree.scan(), scanKeys: () => tree.scanKeys(), page: () => tree.page(),
      compact: () => tree.compact(), maintain: () => tree.maintain(), verify: () => tree.verify(),
      stats: () => tree.stats(), next: () => scan.next(), first: () => unstarted.next(),
    };
    for (const [name, call] of Object.entries(calls)) throwsHolt(call, 'TREE_FREED', 'Tree.memory()', name);
    equal(tree.free(), undefined, 'twice is fine');
    if (Symbol.dispose) {
      equal(typeof tree[Symbol.dispose], 'function');
      tree[Symbol.dispose]();
    }
  });

  test('freeing in the middle of a call is noticed', () => {
    const inBatch = Tree.memory();
    throwsHolt(() => inBatch.atomic((batch) => {
      batch.put('k', 'v');
      inBatch.free();
    }), 'TREE_FREED');
    const overLimit = Tree.memory();
    throwsHolt(() => overLimit.atomic((batch) => {
      overLimit.free();
      batch.put(new Uint8Array(70_000), 'v');
    }), 'TREE_FREED');
    const frees = (tree, name, value) => ({
      get [name]() {
        tree.free();
        return value;
      },
    });
    const inOptions = Tree.memory();
    inOptions.put('a', '1');
    throwsHolt(() => inOptions.rename('a', 'b', frees(inOptions, 'force', true)), 'TREE_FREED');
    const inPage = Tree.memory();
    throwsHolt(() => inPage.page(frees(inPage, 'prefix', 'x')), 'TREE_FREED');
    const inScan = Tree.memory();
    throwsHolt(() => inScan.scan(frees(inScan, 'prefix', 'x'.repeat(70_000))), 'TREE_FREED');
    const inOps = Tree.memory();
    throwsHolt(() => inOps.atomic([frees(inOps, 'type', 'delete')].map((op) => Object.assign(op, { key: 'k' }))), 'TREE_FREED');
    equal(Tree.memory().get('k'), undefined, 'the module still works');
  });

  test('arrays that lie about themselves cannot write past their place', () => {
    const tree = Tree.memory();
    class Liar extends Uint8Array {
      get length() { return 2; }
      get byteLength() { return 2; }
      set() { throw new Error('called'); }
      subarray() { throw new Error('called'); }
    }
    for (const length of [5, 500]) {
      const liar = new Liar(length).fill(7);
      tree.put(liar, liar);
      equal(tree.get(new Uint8Array(length).fill(7)).length, length);
    }
    const spoof = new Uint16Array(3);
    Object.defineProperty(spoof, Symbol.toStringTag, { value: 'Uint8Array' });
    throwsType(() => tree.put(spoof, ''), 'key');
  });

  test('an array whose buffer was transferred is not the empty key', () => {
    const tree = Tree.memory();
    const gone = bytes('key');
    structuredClone(gone.buffer, { transfer: [gone.buffer] });
    throwsType(() => tree.put(gone, 'v'), 'transferred');
    throwsType(() => tree.put('k', gone), 'transferred');
    tree.put(new Uint8Array(0), new Uint8Array(0));
    equal(tree.get(''), new Uint8Array(0));
  });

  test('a Tree is not made by new, nor its methods borrowed', () => {
    throwsType(() => new Tree(), 'Tree.memory()');
    throwsType(() => new Tree({}, {}), 'Tree.memory()');
    const { get, scan, free } = Tree.prototype;
    for (const other of [undefined, {}, Object.create(Tree.prototype)]) {
      for (const method of [get, scan, free]) throwsType(() => method.call(other, 'k'), '');
    }
  });

  test('large calls give their memory back', () => {
    const tree = Tree.memory();
    const value = new Uint8Array(limits.valueBytes);
    for (let round = 0; round < 200; round += 1) {
      tree.put(`k${round % 3}`, value);
      equal(tree.get(`k${round % 3}`).length, value.length);
      tree.atomic((batch) => batch.put('b', value).put('c', value));
    }
    equal(tree.stats().records, 5);
    equal(tree.verify().clean, true);
  });

  test('many trees can be made and freed', () => {
    for (let round = 0; round < 300; round += 1) {
      const tree = Tree.memory();
      tree.put('k', String(round));
      tree.free();
    }
  });
}
