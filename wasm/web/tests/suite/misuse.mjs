// Wrong arguments, limits and use after free of the methods in `store.mjs` and `database.mjs`.
import { equal, holtErrors, ok, throwsType } from './check.mjs';
import { bytes } from './model.mjs';

const NOT_BYTES = [
  undefined, null, 0, 7n, true, Symbol('s'), {}, [], () => {}, new ArrayBuffer(4), new Uint16Array(2),
  new Proxy(new Uint8Array(2), {}), new String('x'),
];
const NOT_VERSIONS = [undefined, null, 5, '5', true, {}, [], new Date(0)];
const OUT_OF_64_BITS = [-1n, 2n ** 64n, 2n ** 80n];
const NOT_LISTS = [undefined, null, 5, 'ab', true, {}, () => {}];

function types(test, { Tree, Database }) {
  test('keys, values and prefixes of a wrong type are TypeErrors, everywhere', () => {
    const tree = Tree.memory();
    tree.put('a', '1');
    const snapshot = tree.snapshot();
    const database = Database.memory();
    database.createTree('t');
    for (const [index, wrong] of NOT_BYTES.entries()) {
      const calls = [
        [() => tree.getVersion(wrong), 'key'], [() => tree.has(wrong), 'key'],
        [() => tree.getMany(['a', wrong]), 'key'], [() => tree.longestPrefix(wrong), 'query'],
        [() => tree.isPrefixEmpty(wrong), 'prefix'], [() => tree.prefixCount(wrong), 'prefix'],
        [() => tree.insert(wrong, ''), 'key'], [() => tree.insert('k', wrong), 'value'],
        [() => tree.putIfAbsent(wrong, ''), 'key'], [() => tree.putIfAbsent('k', wrong), 'value'],
        [() => tree.compareAndPut(wrong, 1n, ''), 'key'], [() => tree.compareAndPut('k', 1n, wrong), 'value'],
        [() => tree.putMany([['k', ''], [wrong, '']]), 'key'], [() => tree.putMany([['k', wrong]]), 'value'],
        [() => tree.putManyIfAbsent([[wrong, '']]), 'key'], [() => tree.remove(wrong), 'key'],
        [() => tree.deleteIfVersion(wrong, 1n), 'key'], [() => tree.renamePrefix(wrong, 'x'), 'src'],
        [() => tree.renamePrefix('a', wrong), 'dst'], [() => tree.deletePrefix(wrong), 'prefix'],
        [() => snapshot.get(wrong), 'key'], [() => snapshot.has(wrong), 'key'],
        [() => snapshot.isPrefixEmpty(wrong), 'prefix'],
        [() => database.atomic((batch) => batch.put('t', wrong, '')), 'key'],
        [() => database.atomic((batch) => batch.put('t', 'k', wrong)), 'value'],
        [() => database.atomic([{ type: 'rename', tree: 't', src: 'a', dst: wrong }]), 'dst'],
      ];
      for (const method of ['putIfAbsent', 'assertAbsent']) {
        calls.push([() => tree.atomic((batch) => batch[method](wrong, '')), 'key']);
      }
      for (const method of ['deleteIfVersion', 'assertVersion', 'compareAndPut']) {
        calls.push([() => tree.atomic((batch) => batch[method](wrong, 1n, '')), 'key']);
      }
      for (const method of ['assertPrefixEmpty', 'deletePrefix']) {
        calls.push([() => tree.atomic((batch) => batch[method](wrong)), 'prefix']);
      }
      for (const method of ['rename', 'renamePrefix']) {
        calls.push([() => tree.atomic((batch) => batch[method](wrong, 'x')), 'src']);
        calls.push([() => tree.atomic((batch) => batch[method]('x', wrong)), 'dst']);
      }
      if (wrong !== undefined) {
        for (const name of ['startAt', 'endBefore']) calls.push([() => tree.scan({ [name]: wrong }), name]);
        calls.push([() => tree.page({ token: wrong }), 'token']);
        calls.push([() => tree.snapshot(wrong), 'prefix']);
        calls.push([() => tree.view(wrong, () => {}), 'prefix']);
      }
      for (const [call, what] of calls) throwsType(call, what, `wrong value ${index}`);
    }
    equal([...tree.scan()].length, 1, 'nothing changed');
  });

  test('versions, lists and names of a wrong type are TypeErrors', () => {
    const tree = Tree.memory({ feedRetention: 1000 });
    const database = Database.memory();
    for (const wrong of NOT_VERSIONS) {
      throwsType(() => tree.compareAndPut('k', wrong, 'v'), 'version');
      throwsType(() => tree.deleteIfVersion('k', wrong), 'version');
      throwsType(() => tree.changesSince(wrong), 'lsn');
      for (const method of ['compareAndPut', 'deleteIfVersion', 'assertVersion']) {
        throwsType(() => tree.atomic((batch) => batch[method]('k', wrong, 'v')), 'version', method);
        throwsType(() => tree.atomic([{ type: method, key: 'k', version: wrong, value: 'v' }]), 'version');
      }
    }
    for (const wrong of NOT_LISTS) {
      throwsType(() => tree.getMany(wrong), 'getMany');
      throwsType(() => tree.putMany(wrong), 'putMany');
      throwsType(() => tree.putManyIfAbsent(wrong), 'putManyIfAbsent');
      throwsType(() => tree.putMany([['k', 'v'], wrong]), 'record 1');
    }
    for (const wrong of [undefined, null, 5, 7n, {}, [], bytes('t'), new String('t')]) {
      for (const method of ['createTree', 'openTree', 'openOrCreateTree', 'dropTree']) {
        throwsType(() => database[method](wrong), 'name', method);
      }
      throwsType(() => database.atomic((batch) => batch.put(wrong, 'k', 'v')), 'name');
      throwsType(() => database.atomic([{ type: 'delete', tree: wrong, key: 'k' }]), 'name');
    }
    for (const wrong of [undefined, null, 5, 'x', {}]) {
      throwsType(() => tree.view('', wrong), 'function');
      throwsType(() => tree.txn(wrong), 'atomic');
      throwsType(() => database.atomic(wrong), 'atomic');
    }
    throwsType(() => database.atomic(async () => {}), 'async');
    throwsType(() => tree.atomic([{ type: 'toString', key: 'k' }]), 'operation 0');
    throwsType(() => tree.atomic([{ type: Symbol('put'), key: 'k' }]), 'operation 0');
    equal([tree.stats().records, database.listTrees()], [0, []], 'nothing changed');
  });

  test('options of a wrong type or name are TypeErrors, everywhere', () => {
    const tree = Tree.memory();
    for (const wrong of [null, 0, 'x', true, [], 5n]) {
      throwsType(() => Tree.memory(wrong), 'options');
      throwsType(() => Database.memory(wrong), 'options');
      throwsType(() => tree.prefixCount('a', wrong), 'options');
      throwsType(() => tree.renamePrefix('a', 'b', wrong), 'options');
      throwsType(() => tree.atomic((batch) => batch.rename('a', 'b', wrong)), 'options');
      throwsType(() => tree.atomic((batch) => batch.renamePrefix('a', 'b', wrong)), 'options');
      if (wrong !== true) throwsType(() => tree.scan({ reverse: wrong }), 'reverse');
    }
    for (const wrong of [null, '5', 5n, {}, true]) {
      for (const name of ['cacheBytes', 'snapshotBytes', 'feedRetention']) {
        throwsType(() => Tree.memory({ [name]: wrong }), name);
      }
      throwsType(() => tree.prefixCount('a', { limit: wrong }), 'limit');
    }
    for (const force of [null, 0, 'yes']) {
      throwsType(() => tree.renamePrefix('a', 'b', { force }), 'force');
      throwsType(() => tree.atomic([{ type: 'rename', src: 'a', dst: 'b', force }]), 'force');
    }
    throwsType(() => Tree.memory({ cache: 1 }), 'no option');
    throwsType(() => tree.prefixCount('a', { max: 1 }), 'no option');
    throwsType(() => tree.scan({ token: new Uint8Array(1) }), 'no option');
  });
}

function limits(test, { Tree, Database, HoltError, buildInfo }) {
  const throwsHolt = holtErrors(HoltError);
  const most = buildInfo().limits;

  test('numbers out of range are named, everywhere', () => {
    const tree = Tree.memory({ feedRetention: 1000 });
    for (const wrong of OUT_OF_64_BITS) {
      throwsHolt(() => tree.compareAndPut('k', wrong, 'v'), 'INVALID_ARGUMENT', 'version');
      throwsHolt(() => tree.deleteIfVersion('k', wrong), 'INVALID_ARGUMENT', 'version');
      throwsHolt(() => tree.changesSince(wrong), 'INVALID_ARGUMENT', 'lsn');
      throwsHolt(() => tree.atomic((batch) => batch.assertVersion('k', wrong)), 'INVALID_ARGUMENT', 'version');
    }
    for (const limit of [0, -1, 0.5, NaN]) {
      throwsHolt(() => tree.prefixCount('', { limit }), 'INVALID_ARGUMENT', 'limit');
    }
    for (const bad of [-1, 0.5, NaN, Infinity, 2 ** 53]) {
      throwsHolt(() => Tree.memory({ cacheBytes: bad }), 'INVALID_ARGUMENT', 'cacheBytes');
      throwsHolt(() => Database.memory({ feedRetention: bad }), 'INVALID_ARGUMENT', 'feedRetention');
    }
    throwsHolt(() => tree.scan({ startAt: 'a', startAfter: 'a' }), 'INVALID_ARGUMENT', 'startAt');
    for (const pages of [0, -1, 2 ** 32]) {
      throwsHolt(() => Database.memory().maintain(pages), 'INVALID_ARGUMENT', 'pages');
    }
    const small = Tree.memory({ cacheBytes: 0 });
    for (let at = 0; at < 3000; at += 1) small.put(`k${at}`, new Uint8Array(500));
    ok(small.stats().evictions > 0, 'a small cache evicts');
    equal(small.verify().clean, true);
  });

  test('keys and values over their limit are refused, everywhere', () => {
    const tree = Tree.memory();
    tree.put('a', '1');
    const snapshot = tree.snapshot();
    const key = new Uint8Array(most.keyBytes + 1);
    const calls = [
      () => tree.getVersion(key), () => tree.has(key), () => tree.getMany(['a', key]),
      () => tree.longestPrefix(key), () => tree.isPrefixEmpty(key), () => tree.prefixCount(key),
      () => tree.insert(key, ''), () => tree.putIfAbsent(key, ''), () => tree.compareAndPut(key, 1n, ''),
      () => tree.putMany([['b', ''], [key, '']]), () => tree.putManyIfAbsent([[key, '']]),
      () => tree.remove(key), () => tree.deleteIfVersion(key, 1n), () => tree.renamePrefix(key, 'x'),
      () => tree.renamePrefix('a', key), () => tree.deletePrefix(key), () => tree.scan({ startAt: key }),
      () => tree.scan({ endBefore: key }), () => tree.snapshot(key), () => tree.view(key, () => {}),
      () => tree.atomic((batch) => batch.put('b', '').assertAbsent(key)), () => snapshot.get(key),
      () => tree.atomic((batch) => batch.put('b', '').deletePrefix(key)), () => snapshot.scan({ prefix: key }),
    ];
    for (const [index, call] of calls.entries()) throwsHolt(call, 'KEY_TOO_LONG', 'shorten it', `call ${index}`);
    const value = new Uint8Array(most.valueBytes + 1);
    for (const call of [
      () => tree.insert('a', value), () => tree.putIfAbsent('b', value), () => tree.compareAndPut('a', 1n, value),
      () => tree.putMany([['b', value]]), () => tree.putManyIfAbsent([['b', value]]),
      () => tree.atomic((batch) => batch.putIfAbsent('b', value)),
    ]) throwsHolt(call, 'VALUE_TOO_LONG', 'over the limit');
    // A key that would grow over the limit.
    tree.put(`p/${'x'.repeat(most.keyBytes - 2)}`, '');
    throwsHolt(() => tree.renamePrefix('p/', 'longer/'), 'KEY_TOO_LONG');
    equal(tree.stats().records, 2, 'nothing changed');
    for (const text of ['\ud800', 'a\udc00']) {
      throwsHolt(() => tree.insert(text, ''), 'INVALID_ARGUMENT', 'Uint8Array');
      throwsHolt(() => tree.deletePrefix(text), 'INVALID_ARGUMENT');
      throwsHolt(() => tree.snapshot(text), 'INVALID_ARGUMENT');
    }
  });

  test('lists over their limit are refused', () => {
    const tree = Tree.memory();
    function* forever(entry) {
      for (;;) yield entry;
    }
    throwsHolt(() => tree.getMany(forever('k')), 'INVALID_ARGUMENT', 'split');
    throwsHolt(() => tree.putMany(forever(['k', 'v'])), 'BATCH_TOO_LARGE', 'split');
    throwsHolt(() => tree.putManyIfAbsent(forever(['k', new Uint8Array(1 << 20)])), 'WAL_RECORD_TOO_LARGE', 'split');
    throwsHolt(() => tree.atomic((batch) => {
      for (let at = 0; at <= most.batchPrefixOps; at += 1) batch.deletePrefix(`p${at}/`);
    }), 'TOO_MANY_PREFIX_OPS', 'split');
    throwsHolt(() => tree.atomic((batch) => {
      for (let at = 0; at < most.batchOps; at += 1) batch.rename(`k${at}`, `l${at}`);
    }), 'BATCH_TOO_WIDE', 'split');
    equal(tree.stats().records, 0);
    tree.putMany(Array.from({ length: most.batchOps }, (_, at) => [`k${at}`, '']));
    equal(tree.getMany(Array.from({ length: most.getManyKeys }, () => 'k1')).length, most.getManyKeys);
    equal(tree.stats().records, most.batchOps);
  });

  test('names that no tree can have are refused', () => {
    const database = Database.memory();
    const longest = 'é'.repeat(most.treeNameBytes / 2);
    for (const name of ['', '\0x', `${longest}x`, 'x'.repeat(1 << 20)]) {
      throwsHolt(() => database.createTree(name), 'INVALID_TREE_NAME', 'choose another');
      throwsHolt(() => database.openOrCreateTree(name), 'INVALID_TREE_NAME');
    }
    throwsHolt(() => database.createTree('\ud800'), 'INVALID_ARGUMENT');
    database.createTree(longest).put('k', 'v');
    equal(database.listTrees(), [longest]);
    equal(database.atomic((batch) => batch.delete(longest, 'k')), true);
    throwsHolt(() => database.atomic((batch) => {
      for (let at = 0; at <= most.trees; at += 1) batch.delete(`t${at}`, 'k');
    }), 'INVALID_ARGUMENT', 'trees');
    const count = most.trees + 10;
    const error = throwsHolt(() => {
      for (let at = 0; at < count; at += 1) database.createTree(`t${at}`).free();
    }, 'QUOTA_EXCEEDED');
    ok(error.message.includes('trees'), error.message);
    equal(database.verify().clean, true);
  });

  test('tokens that are none are refused', () => {
    const tree = Tree.memory();
    tree.putMany([['a', ''], ['b', ''], ['c', '']]);
    const { token } = tree.page({ limit: 1 });
    for (let at = 0; at < token.length; at += 1) {
      const damaged = token.slice();
      damaged[at] ^= 1;
      throwsHolt(() => tree.page({ token: damaged }), 'INVALID_ARGUMENT', 'token', `byte ${at}`);
      throwsHolt(() => tree.page({ token: token.slice(0, at) }), 'INVALID_ARGUMENT', 'token');
    }
    throwsHolt(() => tree.page({ token: new Uint8Array(most.pageTokenBytes + 1) }), 'INVALID_ARGUMENT', 'token');
    throwsHolt(() => tree.page({ token: 'text' }), 'INVALID_ARGUMENT', 'token');
    for (const other of [{ prefix: 'a' }, { reverse: true }, { delimiter: '/' }, { endBefore: 'c' }, { startAt: 'a' }]) {
      throwsHolt(() => tree.page({ ...other, token }), 'INVALID_ARGUMENT', 'another scan');
    }
    equal(tree.page({ token }).entries.length, 2);
  });
}

function freed(test, { Tree, Snapshot, Database, HoltError }) {
  const throwsHolt = holtErrors(HoltError);

  test('after free every further call says so', () => {
    const tree = Tree.memory();
    tree.put('k', 'v');
    const snapshot = tree.snapshot();
    const scan = snapshot.scan();
    const reads = (reader) => [
      () => reader.get('k'), () => reader.getRecord('k'), () => reader.getVersion('k'), () => reader.has('k'),
      () => reader.getMany([]), () => reader.longestPrefix('k'), () => reader.isPrefixEmpty('k'),
      () => reader.prefixCount('k'), () => reader.scan(), () => reader.scanKeys(), () => reader.page(),
    ];
    tree.free();
    for (const call of [
      ...reads(tree), () => tree.insert('k', ''), () => tree.putIfAbsent('k', ''), () => tree.compareAndPut('k', 1n, ''),
      () => tree.putMany([]), () => tree.putManyIfAbsent([]), () => tree.remove('k'),
      () => tree.deleteIfVersion('k', 1n), () => tree.renamePrefix('a', 'b'), () => tree.deletePrefix('a'),
      () => tree.txn([]), () => tree.snapshot(), () => tree.view('', () => {}), () => tree.changesSince(0n),
      () => tree.lastLsn(), () => tree.checkpoint(), () => tree.gc(), () => tree.vacuum(),
    ]) throwsHolt(call, 'TREE_FREED', 'Tree.memory()');
    equal(snapshot.free(), undefined);
    for (const call of [
      ...reads(snapshot), () => snapshot.scope, () => snapshot.lsn, () => snapshot.epoch, () => scan.next(),
    ]) throwsHolt(call, 'SNAPSHOT_FREED', 'tree.snapshot()');
    equal(snapshot.free(), undefined, 'twice is fine');
    if (Symbol.dispose) {
      equal(typeof snapshot[Symbol.dispose], 'function');
      snapshot[Symbol.dispose]();
    }
  });

  test('freeing in the middle of a call is noticed, everywhere', () => {
    const freeing = (reader, name, value) => ({
      get [name]() {
        reader.free();
        return value;
      },
    });
    const list = (reader, entry) => ({
      * [Symbol.iterator]() {
        reader.free();
        yield entry;
      },
    });
    const calls = [
      (tree) => tree.prefixCount('k', freeing(tree, 'limit', 5)),
      (tree) => tree.renamePrefix('a', 'b', freeing(tree, 'force', true)),
      (tree) => tree.getMany(list(tree, 'k')), (tree) => tree.putMany(list(tree, ['k', 'v'])),
      (tree) => tree.putManyIfAbsent(list(tree, ['k', 'v'])), (tree) => tree.txn(() => tree.free()),
      (tree) => tree.scan(freeing(tree, 'endBefore', 'z')).next(),
      (tree) => tree.page(freeing(tree, 'reverse', true)),
    ];
    for (const [index, call] of calls.entries()) {
      const tree = Tree.memory();
      throwsHolt(() => call(tree), 'TREE_FREED', '', `call ${index}`);
    }
    const database = Database.memory();
    throwsHolt(() => database.atomic(() => database.free()), 'DATABASE_FREED');
    const tree = Tree.memory();
    equal(tree.view('', (snapshot) => snapshot.free()), undefined, 'a view may be freed early');
    equal(tree.has('k'), false);
  });

  test('batches outlive their call to no effect', () => {
    const database = Database.memory();
    database.createTree('t');
    let kept;
    database.atomic((batch) => {
      kept = batch;
    });
    throwsHolt(() => kept.put('t', 'k', 'v'), 'INVALID_ARGUMENT', 'applied already');
    equal(database.openTree('t').has('k'), false);
  });

  test('no class is made by new, nor its methods borrowed', () => {
    throwsType(() => new Snapshot(), 'tree.snapshot()');
    throwsType(() => new Database(), 'Database.memory()');
    const { get, put, snapshot } = Tree.prototype;
    const other = Database.memory();
    for (const method of [get, put, snapshot]) throwsType(() => method.call(other, 'k', 'v'), '');
    const scope = Object.getOwnPropertyDescriptor(Snapshot.prototype, 'scope').get;
    throwsType(() => scope.call(Tree.memory()), '');
    // Writing methods on a snapshot fail in the engine.
    const reader = Tree.memory().snapshot();
    throwsHolt(() => put.call(reader, 'k', 'v'), 'INVALID_ARGUMENT', 'handle');
    equal(reader.has('k'), false);
  });

  test('many snapshots and databases can be made and freed', () => {
    const tree = Tree.memory();
    for (let round = 0; round < 500; round += 1) {
      const snapshot = tree.snapshot();
      tree.put('k', String(round));
      snapshot.free();
      if (round % 10 === 0) Database.memory().free();
    }
    equal(tree.get('k'), bytes('499'));
  });
}

export function misuse(test, holt) {
  types(test, holt);
  limits(test, holt);
  freed(test, holt);
}
