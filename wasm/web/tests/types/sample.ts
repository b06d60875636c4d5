// Checked by `tsc --noEmit`, never run: what must compile, and (each under `@ts-expect-error`)
// what must not.
import {
  buildInfo, Database, DatabaseSnapshot, HoltError, init, Snapshot, Tree, validateCheckpoint,
} from 'holt-web';
import type {
  Batch, BatchOp, ChangePage, DatabaseBatch, DatabaseBatchOp, DatabaseChange, DatabaseStats, ImageExport, ImageSummary,
  JournalAnchor, JournalEnvelope, JournalPage, JournalState, KeyEntry, KeyOnlyEntry, Page, PrefixEntry, Reader, Scan, TreeStats, VacuumStats, VerifyReport,
} from 'holt-web';

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <A, B>(_: Same<A, B>): void => {};

export async function sample(): Promise<void> {
  await init();
  await init(new URL('https://example.org/holt.wasm'));
  const limit: number = buildInfo().limits.keyBytes;
  using tree: Tree = Tree.memory();

  tree.put('key', new Uint8Array(limit));
  const value: Uint8Array | undefined = tree.get(new Uint8Array([1]));
  const version: bigint | undefined = tree.getRecord('key')?.version;
  const deleted: boolean = tree.delete('key');
  tree.rename('a', 'b');
  tree.rename('a', 'b', { force: true });
  const applied: boolean = tree.atomic((batch) => batch.put('a', 'b').delete('c'));
  tree.atomic([{ type: 'put', key: 'a', value: 'b' }, { type: 'delete', key: 'c' }]);
  tree.atomic((batch: Batch) => {
    const size: number = batch.size;
    void size;
  });

  const flat = tree.scan({ prefix: 'a', startAfter: 'ab', limit: 3 });
  same<typeof flat, Scan<KeyEntry>>(true);
  const rolled = tree.scan({ delimiter: '/' });
  same<typeof rolled, Scan<KeyEntry | PrefixEntry>>(true);
  const keys = tree.scanKeys();
  same<typeof keys, Scan<KeyOnlyEntry>>(true);
  const page = tree.page();
  same<typeof page, Page<KeyEntry>>(true);
  const keyPage = tree.page({ keysOnly: true, delimiter: 47 });
  same<typeof keyPage, Page<KeyOnlyEntry | PrefixEntry>>(true);

  for (const entry of rolled) {
    if (entry.type === 'prefix') void entry.prefix.length;
    else void (entry.value.length + Number(entry.version));
  }
  for await (const { key, value } of tree.scan()) void (key.length + value.length);
  const all: KeyEntry[] = [...tree.scan()];
  const next: Uint8Array | null = tree.page({ startAfter: all[0]?.key, maxBytes: 10 }).next;
  const clean: boolean = tree.verify().clean;
  const records: number = tree.stats().records;
  const more: boolean = tree.maintain(10);
  tree.compact();

  try {
    tree.free();
  } catch (error) {
    if (error instanceof HoltError && error.code === 'KEY_TOO_LONG') throw error;
  }
  void [value, version, deleted, applied, next, clean, records, more];

  // @ts-expect-error: a tree is not made by new
  new Tree();
  // @ts-expect-error: keys are bytes or strings
  tree.get(1);
  // @ts-expect-error: a value is needed
  tree.put('key');
  // @ts-expect-error: only known options
  tree.scan({ start_after: 'a' });
  // @ts-expect-error: keys-only entries have no value
  for (const { value } of tree.scanKeys()) void value;
  // @ts-expect-error: roll-ups have no key
  for (const { key } of tree.scan({ delimiter: '/' })) void key;
  // @ts-expect-error: a put has a value
  tree.atomic([{ type: 'put', key: 'a' }]);
  // @ts-expect-error: not a code
  if (new Error() instanceof HoltError && ({} as HoltError).code === 'KEY_TO_LONG') return;
}

/** What reads a tree reads a snapshot. */
function read(reader: Reader): number {
  const version: bigint | undefined = reader.getVersion('k');
  const values: (Uint8Array | undefined)[] = reader.getMany(['a', new Uint8Array(1)]);
  reader.getMany(new Set(['a']));
  const found: Uint8Array | undefined = reader.longestPrefix('a/b')?.key;
  const { count, exact } = reader.prefixCount('a', { limit: 5 });
  const back = reader.scan({ reverse: true, startAt: 'z', endBefore: 'a' });
  same<typeof back, Scan<KeyEntry>>(true);
  const { token, consistent } = reader.page({ limit: 5 });
  if (token !== null) reader.page({ limit: 5, token });
  const flags: boolean[] = [reader.has('k'), reader.isPrefixEmpty('a'), exact, consistent];
  void [version, values, found, flags];
  return count;
}

export async function store(): Promise<void> {
  using tree: Tree = Tree.memory({ feedRetention: 1000, snapshotBytes: 1000, cacheBytes: 1000 });
  const old: (Uint8Array | undefined)[] = [tree.insert('k', 'v'), tree.remove('k')];
  const version: bigint = tree.getVersion('k') ?? 0n;
  const done: boolean[] = [
    tree.putIfAbsent('k', 'v'), tree.compareAndPut('k', version, 'v'), tree.deleteIfVersion('k', version),
    ...tree.putManyIfAbsent([['a', new Uint8Array(1)]]),
  ];
  tree.putMany(new Map([['a', 'b']]));
  const counts: number[] = [tree.renamePrefix('a', 'b', { force: true }), tree.deletePrefix('b'), tree.gc(), read(tree)];
  const ops: BatchOp[] = [
    { type: 'compareAndPut', key: 'a', version, value: 'b' }, { type: 'assertPrefixEmpty', prefix: 'a' },
    { type: 'rename', src: 'a', dst: 'b', force: true },
  ];
  tree.txn(ops);
  tree.txn((batch) => batch.assertVersion('a', version).renamePrefix('a', 'b').size);
  const vacuumed: VacuumStats = tree.vacuum();

  using snapshot: Snapshot = tree.snapshot('a/');
  read(snapshot);
  const place: [Uint8Array, bigint, bigint] = [snapshot.scope, snapshot.lsn, snapshot.epoch];
  const had: boolean = tree.view('', (view) => view.has('k'));
  const later: boolean = await tree.view('', async (view: Snapshot) => view.has('k'));
  const page: ChangePage = tree.changesSince(tree.lastLsn());
  for (const { lsn, events } of page.changes) {
    for (const event of events) {
      if (event.type === 'put') void [lsn, event.value, event.version];
      else if (event.type === 'renamePrefix') void [event.src, event.dst];
      // @ts-expect-error: only puts have values
      else void event.value;
    }
  }

  using database: Database = Database.memory({ feedRetention: 5 });
  const named: Tree = database.createTree('t');
  const names: string[] = database.listTrees();
  const others: Tree[] = [database.openTree('t'), database.openOrCreateTree('t')];
  database.dropTree('t');
  database.atomic((batch: DatabaseBatch) => batch.put('t', 'k', 'v').deleteIfVersion('t', 'k', 1n));
  const named2: DatabaseBatchOp[] = [{ type: 'delete', tree: 't', key: 'k' }];
  const applied: boolean = database.atomic(named2);
  const [stats, report, whole]: [DatabaseStats, VerifyReport, TreeStats] = [
    database.stats(), database.verify(), database.stats().store,
  ];
  void [old, done, counts, vacuumed, place, had, later, named, names, others, applied, stats, report, whole];

  // @ts-expect-error: a snapshot is not written to
  snapshot.put('k', 'v');
  // @ts-expect-error: a snapshot is made by a tree
  new Snapshot();
  // @ts-expect-error: versions are bigints
  tree.compareAndPut('k', 5, 'v');
  // @ts-expect-error: a database's operations name their tree
  database.atomic([{ type: 'delete', key: 'k' }]);
  // @ts-expect-error: a database's batch takes the tree first
  database.atomic((batch) => batch.put('k', 'v'));
  // @ts-expect-error: a guard on a version has a version
  tree.atomic([{ type: 'assertVersion', key: 'k' }]);
  // @ts-expect-error: tokens are bytes
  tree.page({ token: 'text' });
  // @ts-expect-error: names are strings
  database.createTree(new Uint8Array(1));
  // @ts-expect-error: records of putMany are pairs
  tree.putMany([['k']]);
}

export async function files(place: FileSystemDirectoryHandle): Promise<void> {
  using tree: Tree = await Tree.open('store', { sync: true, create: false, readOnly: true, autoCheckpoint: false, logBudget: 5, lockWait: 0 });
  using database: Database = await Database.open(place, { cacheBytes: 5, feedRetention: 5 });
  await Tree.open(new URL('file:///store'));
  tree.sync();
  database.sync();
  // @ts-expect-error: places are paths or handles
  await Tree.open(5);
  // @ts-expect-error: a store in memory is not synced by an option
  Tree.memory({ sync: true });
}

export async function whole(): Promise<void> {
  using database: Database = Database.memory({ feedRetention: 5, frameBytes: 16_384 });
  const tree: Tree = database.createTree('t');
  const id: number = tree.id;
  using snapshot: DatabaseSnapshot = database.snapshot();
  const names: string[] = snapshot.listTrees();
  const size: number = snapshot.size;
  const one: Snapshot = snapshot.tree('t');
  const had: boolean = database.view([['t', 'a/']], (view) => view.tree('t').has('k'));
  const later: boolean = await database.view(new Map([['t', '']]), async (view: DatabaseSnapshot) => view.size > 0);
  const page: ChangePage<DatabaseChange> = database.changesSince(snapshot.lsn);
  for (const { events } of page.changes) {
    for (const event of events) if (event.type === 'put' && event.tree === id) void event.value;
  }
  const from: bigint = database.lastLsn();

  using image: ImageExport = database.exportCheckpoint({ chunkBytes: 1000 });
  for (const chunk of image) void chunk.length;
  for await (const chunk of database.exportCheckpoint()) void chunk.length;
  const body: ReadableStream<Uint8Array> = image.stream();
  const summary: ImageSummary = await database.installCheckpoint(body);
  await database.installCheckpoint(database.exportCheckpoint());
  await database.installCheckpoint(new Uint8Array(1));
  await database.installCheckpoint([new Uint8Array(1)]);
  const { body: response } = await fetch('/image');
  if (response !== null) await validateCheckpoint(response);

  const genesis: JournalAnchor = { sequence: 0n, digest: new Uint8Array(32) };
  database.initializeJournalStream(genesis);
  const state: JournalState = database.journalState();
  const current = { sequence: state.tail.sequence + 1n, digest: new Uint8Array(32) };
  const applied: boolean = database.atomicWithJournalEnvelope(
    { previous: state.tail, current, payload: 'text' }, (batch: DatabaseBatch) => batch.put('t', 'k', 'v'),
  );
  const read: JournalPage = database.journalEnvelopesAfter(genesis, { limit: 5, maxBytes: 5 });
  const [envelope]: JournalEnvelope[] = read.envelopes;
  void [names, size, one, had, later, from, summary, applied, envelope?.payload.length];

  // @ts-expect-error: a moment of a database is not written to
  snapshot.createTree('t');
  // @ts-expect-error: chunks of an image are bytes
  await database.installCheckpoint(['text']);
  // @ts-expect-error: a view names its trees with prefixes
  database.view(['t'], () => {});
  // @ts-expect-error: sequences are bigints
  database.initializeJournalStream({ sequence: 0, digest: new Uint8Array(32) });
  // @ts-expect-error: events of one tree do not name it
  void tree.changesSince(from).changes[0]?.events[0]?.tree;
}
