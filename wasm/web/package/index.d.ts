/// <reference lib="esnext.disposable" />

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
  /** `rename`: there is no record under `src`. */
  | 'NOT_FOUND'
  /** `rename`: there is a record under `dst`, and `force` was not given. */
  | 'DST_EXISTS'
  /** An argument has the right type and a value the call does not take; nothing changed. */
  | 'INVALID_ARGUMENT'
  /** The tree was freed. */
  | 'TREE_FREED'
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
  /** Bytes of one batch: its keys, its values, and nine bytes an operation. */
  readonly batchBytes: number;
  /** Entries of one page. */
  readonly pageEntries: number;
  /** Bytes of keys and values of one page, before its last entry. */
  readonly pageBytes: number;
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

/** What part of a tree to scan. Order is by unsigned bytes. */
export interface ScanOptions {
  /** Only keys that start with these bytes. */
  prefix?: Bytes | undefined;
  /** Only entries after this key; with a delimiter, only roll-ups greater than it. */
  startAfter?: Bytes | undefined;
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
}

/** A bounded part of a scan. */
export interface Page<E> {
  entries: E[];
  /** Pass it as `startAfter` to go on; `null` at the end. */
  next: Uint8Array | null;
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

/** Operations to be applied together. Keys and values are copied when they are added. */
export interface Batch {
  /** Writes a record, replacing any under the same key. */
  put(key: Bytes, value: Bytes): this;
  /** Deletes a record; one that is not there is fine. */
  delete(key: Bytes): this;
  /** Operations so far. */
  readonly size: number;
}

/** One operation of a batch given as an array. */
export type BatchOp =
  | { type: 'put'; key: Bytes; value: Bytes }
  | { type: 'delete'; key: Bytes };

/** Figures of a tree; counters start when it is made. */
export interface TreeStats {
  /** Live records. */
  records: number;
  /** Frames of the tree. */
  frames: number;
  /** Levels of frames: 1 for a tree of one frame. */
  levels: number;
  /** Bytes of cache in use. */
  cacheBytes: number;
  dirtyPages: number;
  cacheMisses: number;
  evictions: number;
  stagedEvictions: number;
  pageSplits: number;
  pageMerges: number;
  /** Full frames that moved half their pages to a sibling. */
  spills: number;
  /** Thin frames merged with a neighbour. */
  merges: number;
  compactions: number;
  checkpoints: number;
  checkpointPages: number;
  /** Published pages in the store under the cache. */
  storePages: number;
  /** Bytes the store under the cache holds. */
  storeBytes: number;
}

/** One piece of damage. */
export interface Damage {
  class: string;
  blob?: string;
  page?: number;
  detail: string;
}

/** What `verify` found. */
export interface VerifyReport {
  /** Whether nothing is wrong. */
  clean: boolean;
  records: number;
  frames: number;
  pages: number;
  extents: number;
  /** Bytes of keys and values. */
  payloadBytes: number;
  /** Bytes in use on leaf pages over their capacity, in thousandths. */
  fillPerMille: number;
  /** At most the first thousand pieces. */
  damage: Damage[];
}

/**
 * An ordered map from bytes to bytes. Methods throw `HoltError`, or `TypeError` for arguments of a
 * wrong type; a call that throws has changed nothing.
 */
export class Tree {
  private constructor();

  /** A new empty tree in memory. It lives until `free`, or until it is collected. */
  static memory(): Tree;

  /** The value of `key`, in an array of its own. */
  get(key: Bytes): Uint8Array | undefined;

  /** The value of `key` and its version. */
  getRecord(key: Bytes): ValueRecord | undefined;

  /** Writes a record, replacing any under the same key. Both are copied. */
  put(key: Bytes, value: Bytes): void;

  /** Deletes a record; `false` if there was none. */
  delete(key: Bytes): boolean;

  /**
   * Moves a record, with a new version; onto itself it does nothing.
   * @throws HoltError `NOT_FOUND`, or `DST_EXISTS` without `force`.
   */
  rename(src: Bytes, dst: Bytes, options?: { force?: boolean | undefined }): void;

  /**
   * Applies operations in order, all of them or none. A function gets an empty batch to fill; if
   * it throws, nothing is applied. It must not be async.
   * @returns whether the batch was applied.
   */
  atomic(fill: ((batch: Batch) => void) | readonly BatchOp[]): boolean;

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

  /** Repacks thin pages and frames. */
  compact(): void;

  /** Does up to `pages` (64) pages of upkeep; `true` if there is more to do. */
  maintain(pages?: number): boolean;

  /** Checks everything: pages, order, fences, routing, counts. */
  verify(): VerifyReport;

  /** Figures; cheap. */
  stats(): TreeStats;

  /** Gives the tree's memory back at once; later calls throw `TREE_FREED`, this one does not. */
  free(): void;
  [Symbol.dispose](): void;

  readonly [Symbol.toStringTag]: 'Tree';
}
