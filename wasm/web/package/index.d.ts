/// <reference lib="esnext.disposable" />
import type { TreeStats, Upkeep } from './figures.js';

export * from './database.js';
export type * from './figures.js';

/** A key or a value: bytes, or a string that stands for its UTF-8 bytes. */
export type Bytes = Uint8Array | string;

/** What `HoltError.code` may be. Later versions may add codes. */
export type HoltErrorCode =
  /** The key is over `limits.keyBytes`; nothing changed. */
  | 'KEY_TOO_LONG'
  /** The value is over `limits.valueBytes`; nothing changed. */
  | 'VALUE_TOO_LONG'
  /** The batch is over `limits.batchBytes`; nothing changed. */
  | 'WAL_RECORD_TOO_LARGE'
  /** The batch is over `limits.batchOps`; nothing changed. */
  | 'BATCH_TOO_LARGE'
  /** The batch may change too many pages: it has many renames or prefix operations; nothing changed. */
  | 'BATCH_TOO_WIDE'
  /** The batch is over `limits.batchPrefixOps`; nothing changed. */
  | 'TOO_MANY_PREFIX_OPS'
  /** `txn`: a guard of the batch did not hold; nothing changed. */
  | 'GUARD_FAILED'
  /** `rename`: there is no record under `src`. */
  | 'NOT_FOUND'
  /** A rename: there is a record under `dst`, and `force` was not given; nothing changed. */
  | 'DST_EXISTS'
  /** An argument has the right type and a value the call does not take; nothing changed. */
  | 'INVALID_ARGUMENT'
  /** The database has no tree of this name. */
  | 'TREE_NOT_FOUND'
  /** The database has a tree of this name already; nothing changed. */
  | 'TREE_EXISTS'
  /** No tree can have this name: it is empty, begins with a NUL, or is over `limits.treeNameBytes`. */
  | 'INVALID_TREE_NAME'
  /** The tree was dropped from its database. */
  | 'TREE_DROPPED'
  /** `gc` and `vacuum` of a database's tree: call them on the database. */
  | 'GC_REQUIRES_STANDALONE_TREE'
  /** The key or prefix does not start with the snapshot's `scope`. */
  | 'OUTSIDE_VIEW_SCOPE'
  /** The snapshot (or the image) outgrew `snapshotBytes`, or the change feed no longer reaches back so far. */
  | 'EXPIRED'
  | 'SNAPSHOT_EPOCH_EXHAUSTED'
  /** The bytes are no checkpoint image, or a damaged one, or not all of it; nothing changed. */
  | 'INVALID_IMAGE'
  /** The anchor is not the journal's: another writer was first, or it is of another journal. */
  | 'JOURNAL_ANCHOR_MISMATCH'
  /** The envelopes asked for are part of a checkpoint and no longer kept. */
  | 'JOURNAL_POSITION_EXPIRED'
  /** The database keeps no journal, or it keeps one and the call would go round it. */
  | 'JOURNAL_STREAM_UNAVAILABLE'
  /** The tree was freed. */
  | 'TREE_FREED'
  /** The snapshot was freed. */
  | 'SNAPSHOT_FREED'
  /** The database was freed. */
  | 'DATABASE_FREED'
  /** The wasm module is not loaded yet: `await init()` first. */
  | 'NOT_READY'
  /** The module failed, most likely for want of memory; every tree of the page is lost. */
  | 'ENGINE_STOPPED'
  | 'READ_ONLY'
  | 'LOCKED'
  | 'POISONED'
  | 'BLOB_STORE_IO'
  | 'CORRUPT'
  | 'NOT_A_STORE'
  /** There is no store at this place, and none is to be created. */
  | 'NO_STORE'
  | 'UNSUPPORTED_FORMAT'
  | 'QUOTA_EXCEEDED'
  | 'UNKNOWN';

/**
 * A failure of holt. The message says what to do next; the code is stable. Arguments of a wrong
 * type are a `TypeError` instead.
 */
export class HoltError extends Error {
  private constructor();
  readonly name: 'HoltError';
  readonly code: HoltErrorCode;
}

/** Where `init` gets the wasm module from, if not from beside the package. */
export type ModuleSource = string | URL | Request | Response | BufferSource | WebAssembly.Module;

/**
 * Loads the wasm module. Needed once before anything else in a browser; in Node the import has
 * done it and this does nothing. Calling it again is fine.
 */
export function init(source?: ModuleSource): Promise<void>;

/** The largest arguments, in bytes unless said otherwise. */
export interface Limits {
  readonly keyBytes: number;
  readonly valueBytes: number;
  /** Operations in one batch. */
  readonly batchOps: number;
  /** Bytes of one batch: its keys, its values, and a few bytes an operation. */
  readonly batchBytes: number;
  /** Operations on prefixes in one batch. */
  readonly batchPrefixOps: number;
  /** Keys of one `getMany`. */
  readonly getManyKeys: number;
  /** Entries of one page. */
  readonly pageEntries: number;
  /** Bytes of keys and values of one page, before its last entry. */
  readonly pageBytes: number;
  /** Bytes of a page token. */
  readonly pageTokenBytes: number;
  /** UTF-8 bytes of the name of a tree. */
  readonly treeNameBytes: number;
  /** Trees of one database, a few of its own included. */
  readonly trees: number;
  /** Bytes of one chunk of an image on its way out. */
  readonly imageChunkBytes: number;
  /** Bytes of the digest of a journal anchor: exactly these. */
  readonly journalDigestBytes: number;
  /** Bytes of the payload of one journal envelope. */
  readonly journalRecordBytes: number;
  /** Envelopes of one page of the journal. */
  readonly journalPageEnvelopes: number;
  /** Bytes of a frame. */
  readonly frameBytes: number;
}

export interface BuildInfo {
  readonly version: string;
  /** Whether the module uses wasm SIMD. */
  readonly simd: boolean;
  readonly limits: Limits;
}

/** What the module was built as. */
export function buildInfo(): BuildInfo;

/** A value and its version. */
export interface ValueRecord {
  value: Uint8Array;
  /** Opaque; larger for later writes, never repeated in a tree's life. */
  version: bigint;
}

/** A record and its key. */
export interface FoundRecord extends ValueRecord {
  key: Uint8Array;
}

/** How many records a prefix has. */
export interface PrefixCount {
  /** At most the limit that was given. */
  count: number;
  /** Whether these are all. */
  exact: boolean;
}

/** A record, as scans give it. Its arrays are the caller's own. */
export interface KeyEntry {
  type: 'key';
  key: Uint8Array;
  value: Uint8Array;
  version: bigint;
}

/** A record without its value. */
export interface KeyOnlyEntry {
  type: 'key';
  key: Uint8Array;
  version: bigint;
}

/** A roll-up: at least one key starts with these bytes, the delimiter included. */
export interface PrefixEntry {
  type: 'prefix';
  prefix: Uint8Array;
}

/**
 * What part of a tree to scan. Order is by unsigned bytes; records and roll-ups stand in one order,
 * each by its own bytes, and "after" and "before" mean the direction of the scan.
 */
export interface ScanOptions {
  /** Only keys that start with these bytes. */
  prefix?: Bytes | undefined;
  /** Only entries after this one; a roll-up passed here is not repeated. */
  startAfter?: Bytes | undefined;
  /** Only this entry and those after it; not together with `startAfter`. */
  startAt?: Bytes | undefined;
  /** Only entries before this one. */
  endBefore?: Bytes | undefined;
  /** From the last entry to the first. */
  reverse?: boolean | undefined;
  /**
   * Rolls keys up to and including the first such byte after the prefix into one entry, without
   * walking what lies under it: one ASCII character, a number from 0 to 255, or one byte.
   */
  delimiter?: string | number | Uint8Array | undefined;
  /** Most entries to give. */
  limit?: number | undefined;
}

/** Scan options without roll-ups: every entry is a record. */
export interface FlatScanOptions extends ScanOptions {
  delimiter?: undefined;
}

/**
 * How much one page may hold. `limit` is normally 1000; more than `limits.pageEntries` or
 * `limits.pageBytes` is taken as those.
 */
export interface PageOptions extends ScanOptions {
  /** No further entry once this many bytes of keys and values are reached; normally 1 MiB. */
  maxBytes?: number | undefined;
  /** Leaves values out. */
  keysOnly?: boolean | undefined;
  /** Goes on where the page that returned this token ended; all other options must be the same. */
  token?: Uint8Array | undefined;
}

/** A bounded part of a scan. */
export interface Page<E> {
  entries: E[];
  /** Pass it as `startAfter` to go on; `null` at the end. */
  next: Uint8Array | null;
  /**
   * Pass it as `token` to the same scan to go on; `null` at the end. It may be stored or sent, and
   * holds nothing in the tree.
   */
  token: Uint8Array | null;
  /**
   * Whether the page is sure to show the same state as the first one of its tokens: pages of a
   * snapshot do, of a tree only the first.
   */
  consistent: boolean;
}

/**
 * The entries of a scan, in order, for `for … of` and `for await … of`; it runs once. Records
 * written or deleted while it runs may or may not be seen; all others are seen exactly once.
 */
export interface Scan<E> extends IterableIterator<E>, AsyncIterable<E> {
  return(value?: unknown): IteratorResult<E>;
  [Symbol.iterator](): Scan<E>;
  [Symbol.asyncIterator](): AsyncIterableIterator<E>;
}

/** Options of renames. */
export interface RenameOptions {
  /** Replaces what is at the destination. */
  force?: boolean | undefined;
}

/**
 * Operations to be applied together, in order, each on the effects of those before it. Keys and
 * values are copied when they are added. If a guard fails, nothing is applied.
 */
export interface Batch {
  /** Writes a record, replacing any under the same key. */
  put(key: Bytes, value: Bytes): this;
  /** Guard: writes a record; the batch fails if there is one under the key. */
  putIfAbsent(key: Bytes, value: Bytes): this;
  /** Guard: replaces a record; the batch fails unless it is there in this version. */
  compareAndPut(key: Bytes, version: bigint, value: Bytes): this;
  /** Deletes a record; one that is not there is fine. */
  delete(key: Bytes): this;
  /** Guard: deletes a record; the batch fails unless it is there in this version. */
  deleteIfVersion(key: Bytes, version: bigint): this;
  /** Guard: the batch fails unless the record is there in this version. */
  assertVersion(key: Bytes, version: bigint): this;
  /** Guard: the batch fails if there is a record under the key. */
  assertAbsent(key: Bytes): this;
  /** Guard: the batch fails if any key starts with the prefix. */
  assertPrefixEmpty(prefix: Bytes): this;
  /** Moves a record; if it must not, `atomic` throws `NOT_FOUND` or `DST_EXISTS`. */
  rename(src: Bytes, dst: Bytes, options?: RenameOptions): this;
  /** Moves every record under a prefix; if it must not, `atomic` throws `DST_EXISTS`. */
  renamePrefix(src: Bytes, dst: Bytes, options?: RenameOptions): this;
  /** Deletes every record under a prefix; none is fine. */
  deletePrefix(prefix: Bytes): this;
  /** Operations so far, guards included. */
  readonly size: number;
}

/** The same over the trees of a database: each operation names its tree first. */
export interface DatabaseBatch {
  /** Writes a record, replacing any under the same key. */
  put(tree: string, key: Bytes, value: Bytes): this;
  /** Guard: writes a record; the batch fails if there is one under the key. */
  putIfAbsent(tree: string, key: Bytes, value: Bytes): this;
  /** Guard: replaces a record; the batch fails unless it is there in this version. */
  compareAndPut(tree: string, key: Bytes, version: bigint, value: Bytes): this;
  /** Deletes a record; one that is not there is fine. */
  delete(tree: string, key: Bytes): this;
  /** Guard: deletes a record; the batch fails unless it is there in this version. */
  deleteIfVersion(tree: string, key: Bytes, version: bigint): this;
  /** Guard: the batch fails unless the record is there in this version. */
  assertVersion(tree: string, key: Bytes, version: bigint): this;
  /** Guard: the batch fails if there is a record under the key. */
  assertAbsent(tree: string, key: Bytes): this;
  /** Guard: the batch fails if any key starts with the prefix. */
  assertPrefixEmpty(tree: string, prefix: Bytes): this;
  /** Moves a record; if it must not, `atomic` throws `NOT_FOUND` or `DST_EXISTS`. */
  rename(tree: string, src: Bytes, dst: Bytes, options?: RenameOptions): this;
  /** Moves every record under a prefix; if it must not, `atomic` throws `DST_EXISTS`. */
  renamePrefix(tree: string, src: Bytes, dst: Bytes, options?: RenameOptions): this;
  /** Deletes every record under a prefix; none is fine. */
  deletePrefix(tree: string, prefix: Bytes): this;
  /** Operations so far, guards included. */
  readonly size: number;
}

/** One operation of a batch given as an array. */
export type BatchOp =
  | { type: 'put'; key: Bytes; value: Bytes }
  | { type: 'putIfAbsent'; key: Bytes; value: Bytes }
  | { type: 'compareAndPut'; key: Bytes; version: bigint; value: Bytes }
  | { type: 'delete'; key: Bytes }
  | { type: 'deleteIfVersion'; key: Bytes; version: bigint }
  | { type: 'assertVersion'; key: Bytes; version: bigint }
  | { type: 'assertAbsent'; key: Bytes }
  | { type: 'assertPrefixEmpty'; prefix: Bytes }
  | { type: 'rename'; src: Bytes; dst: Bytes; force?: boolean | undefined }
  | { type: 'renamePrefix'; src: Bytes; dst: Bytes; force?: boolean | undefined }
  | { type: 'deletePrefix'; prefix: Bytes };

/** One operation of a database's batch given as an array. */
export type DatabaseBatchOp = BatchOp & { tree: string };

/** What happened to a tree, as the change feed tells it. */
export type ChangeEvent =
  | { type: 'put'; key: Uint8Array; value: Uint8Array; version: bigint }
  | { type: 'delete'; key: Uint8Array }
  /** Everything under `dst` went, then everything under `src` moved there, versions kept. */
  | { type: 'renamePrefix'; src: Uint8Array; dst: Uint8Array }
  | { type: 'deletePrefix'; prefix: Uint8Array }
  | { type: 'createTree' }
  | { type: 'dropTree' };

/** One commit: a call, or a batch. */
export interface Change {
  lsn: bigint;
  /** In the order in which they were applied. */
  events: ChangeEvent[];
}

/** A part of the change feed. */
export interface ChangePage<C = Change> {
  changes: C[];
  /** Pass it to `changesSince` to go on. */
  next: bigint;
  /** Whether there are more changes now; a page without changes may have more behind it. */
  more: boolean;
}

/** What happened to a tree of a database: the same with `Tree.id` of the tree. */
export type DatabaseChangeEvent = ChangeEvent & { tree: number };

/** One commit in a database: a call, or a batch. */
export interface DatabaseChange {
  lsn: bigint;
  /** In the order in which they were applied. */
  events: DatabaseChangeEvent[];
}

/** Settings of a store in memory, in bytes. */
export interface MemoryOptions {
  /** Memory for pages in use; normally 128 MiB. */
  cacheBytes?: number | undefined;
  /** Most bytes kept for snapshots; beyond it the oldest snapshot expires. Normally 1 GiB. */
  snapshotBytes?: number | undefined;
  /** Bytes of changes kept for `changesSince`; normally 0, which is no change feed. */
  feedRetention?: number | undefined;
  /**
   * Bytes of a frame, the unit in which records are placed and repacked: a multiple of 4096 from
   * 16384 to `limits.frameBytes`, which is normal.
   */
  frameBytes?: number | undefined;
}

/** Settings of a store in files. `frameBytes` is that of a store that is created. */
export interface FileOptions extends MemoryOptions {
  /**
   * Whether a write survives loss of power before it returns; normally it survives the end of the
   * page or process, and `sync()` makes it survive the rest.
   */
  sync?: boolean | undefined;
  /** Whether a store is created if there is none; normally it is. */
  create?: boolean | undefined;
  /**
   * Opens the store for reading only, beside others that do: every write throws `READ_ONLY`, no byte
   * of the store changes, and none is created. Browsers without the mode `read-only` of
   * `createSyncAccessHandle` let one reader in at a time. In Node a reader leaves a mark in the
   * directory.
   */
  readOnly?: boolean | undefined;
  /** Whether checkpoints start by themselves, from the log budget; normally they do. */
  autoCheckpoint?: boolean | undefined;
  /** Bytes of log that the next opening may have to replay; normally 256 MiB. */
  logBudget?: number | undefined;
  /** Milliseconds to wait for another process or worker to close the store; normally 5000. */
  lockWait?: number | undefined;
}

/**
 * Where a store in files is, which is created if there is none. In Node a directory: a path or a
 * `file:` URL. In a browser, in a dedicated worker only, a directory of the origin's private file
 * system (OPFS): a path, or a handle. One process or worker has it at a time, or any number that only
 * read it, until the last handle of the store is freed. A Node process is kept out by other Node processes only: native programs
 * lock in a way that Node cannot, so do not open one store from both at the same time.
 */
export type StorePlace = string | URL | FileSystemDirectoryHandle;

/** What trees and snapshots have in common: reading. */
export interface Reader {
  /** The value of `key`, in an array of its own. */
  get(key: Bytes): Uint8Array | undefined;

  /** The value of `key` and its version. */
  getRecord(key: Bytes): ValueRecord | undefined;

  /** The version of `key`, without its value. */
  getVersion(key: Bytes): bigint | undefined;

  /** Whether there is a record under `key`. */
  has(key: Bytes): boolean;

  /** The values of several keys, in the order of `keys`, all of one moment. */
  getMany(keys: Iterable<Bytes>): (Uint8Array | undefined)[];

  /** The record with the longest key that `query` starts with; of a snapshot, within its scope. */
  longestPrefix(query: Bytes): FoundRecord | undefined;

  /** Whether no key starts with `prefix`; a key equal to it does. */
  isPrefixEmpty(prefix: Bytes): boolean;

  /** How many keys start with `prefix`, counted up to `limit` of them; records are not read. */
  prefixCount(prefix: Bytes, options?: { limit?: number | undefined }): PrefixCount;

  /** Records in order, and roll-ups if a delimiter is given. */
  scan(options?: FlatScanOptions): Scan<KeyEntry>;
  scan(options: ScanOptions): Scan<KeyEntry | PrefixEntry>;

  /** The same without values. */
  scanKeys(options?: FlatScanOptions): Scan<KeyOnlyEntry>;
  scanKeys(options: ScanOptions): Scan<KeyOnlyEntry | PrefixEntry>;

  /** A bounded part of a scan, in one call. */
  page(options?: PageOptions & FlatScanOptions & { keysOnly?: false | undefined }): Page<KeyEntry>;
  page(options: PageOptions & FlatScanOptions & { keysOnly: true }): Page<KeyOnlyEntry>;
  page(options: PageOptions & { keysOnly?: false | undefined }): Page<KeyEntry | PrefixEntry>;
  page(options: PageOptions & { keysOnly: true }): Page<KeyOnlyEntry | PrefixEntry>;
  page(options: PageOptions): Page<KeyEntry | KeyOnlyEntry | PrefixEntry>;

  /** Gives up the handle, and its memory, at once; later calls throw, this one does not. */
  free(): void;
  [Symbol.dispose](): void;
}

/**
 * An ordered map from bytes to bytes. Methods throw `HoltError`, or `TypeError` for arguments of a
 * wrong type; a call that throws has changed nothing.
 */
export class Tree {
  private constructor();

  /** A new empty tree in memory. It lives until `free`, or until it is collected. */
  static memory(options?: MemoryOptions): Tree;

  /**
   * The store in files, opened as one tree. It is closed, and open to others, when its last handle
   * is freed; nothing is lost if that never happens.
   * @throws HoltError by rejection, with nothing changed: `LOCKED`, `NO_STORE`, `NOT_A_STORE`, `CORRUPT`,
   * `UNSUPPORTED_FORMAT`, `BLOB_STORE_IO`; `INVALID_ARGUMENT` outside a worker of a browser.
   */
  static open(place: StorePlace, options?: FileOptions): Promise<Tree>;

  /** Writes a record, replacing any under the same key. Both are copied. */
  put(key: Bytes, value: Bytes): void;

  /** The same; returns the value it replaced. */
  insert(key: Bytes, value: Bytes): Uint8Array | undefined;

  /** Writes a record unless there is one under the key; whether it did. */
  putIfAbsent(key: Bytes, value: Bytes): boolean;

  /** Replaces a record if it is there in this version; whether it did. */
  compareAndPut(key: Bytes, version: bigint, value: Bytes): boolean;

  /** Writes records in order, all or none: an array of pairs, or a Map. */
  putMany(records: Iterable<readonly [Bytes, Bytes]>): void;

  /** Writes those records whose key is free, in one step; for each, whether it was written. */
  putManyIfAbsent(records: Iterable<readonly [Bytes, Bytes]>): boolean[];

  /** Deletes a record; `false` if there was none. */
  delete(key: Bytes): boolean;

  /** Deletes a record; returns its value. */
  remove(key: Bytes): Uint8Array | undefined;

  /** Deletes a record if it is there in this version; whether it did. */
  deleteIfVersion(key: Bytes, version: bigint): boolean;

  /**
   * Moves a record, with a new version; onto itself it does nothing.
   * @throws HoltError `NOT_FOUND`, or `DST_EXISTS` without `force`.
   */
  rename(src: Bytes, dst: Bytes, options?: RenameOptions): void;

  /**
   * Moves every record under the prefix `src` to `dst`, versions kept; costs by pages, not by
   * records. With `force` what is under `dst` is replaced.
   * @returns how many records were moved.
   * @throws HoltError `DST_EXISTS` without `force`; `INVALID_ARGUMENT` if one prefix lies within
   * the other; `KEY_TOO_LONG` if a key would be.
   */
  renamePrefix(src: Bytes, dst: Bytes, options?: RenameOptions): number;

  /** Deletes every record whose key starts with `prefix`; returns how many. */
  deletePrefix(prefix: Bytes): number;

  /**
   * Applies operations in order, all of them or none. A function gets an empty batch to fill; if
   * it throws, nothing is applied. It must not be async.
   * @returns whether the batch was applied: `false` if a guard failed.
   */
  atomic(fill: ((batch: Batch) => void) | readonly BatchOp[]): boolean;

  /**
   * The same, with an error for a failed guard.
   * @throws HoltError `GUARD_FAILED`.
   */
  txn(fill: ((batch: Batch) => void) | readonly BatchOp[]): void;

  /**
   * The tree as it is now, under `prefix`. Taking it costs the same however large the tree is;
   * keeping it costs what changes meanwhile, so free it when it is done with.
   */
  snapshot(prefix?: Bytes): Snapshot;

  /** Calls `read` with a snapshot and frees it after it returns, or its promise settles. */
  view<R>(prefix: Bytes, read: (snapshot: Snapshot) => R): R;

  /**
   * Commits of this tree from a position on, in order: at most as many as fit a few megabytes.
   * Begin with `lastLsn()`, or with the `lsn` of a snapshot that was read in full: together they
   * miss nothing and repeat nothing.
   * @throws HoltError `EXPIRED` if they are not all kept any more; `INVALID_ARGUMENT` without
   * `feedRetention`.
   */
  changesSince(lsn: bigint): ChangePage;

  /** Every commit so far has a position below this one. */
  lastLsn(): bigint;

  /**
   * The number by which the change feed of its database names the tree; no other tree of the
   * database ever gets it.
   */
  readonly id: number;

  /** Figures; cheap. */
  stats(): TreeStats;

  readonly [Symbol.toStringTag]: 'Tree';
}
export interface Tree extends Reader, Upkeep {}

/**
 * A tree as it was at one moment, under a prefix. It outlives its tree's handle. Keys and prefixes
 * outside the prefix are refused with `OUTSIDE_VIEW_SCOPE`; a scan without one is of all of it.
 */
export class Snapshot {
  private constructor();

  /** The prefix it was taken under. */
  readonly scope: Uint8Array;

  /** Where `changesSince` goes on from here. */
  readonly lsn: bigint;

  /** Its number; larger for later ones of a store. */
  readonly epoch: bigint;

  readonly [Symbol.toStringTag]: 'Snapshot';
}
export interface Snapshot extends Reader {}
