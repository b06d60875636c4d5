// Databases: named trees, moments of all of them, images, the recovery journal.
import type { DatabaseStats, Upkeep } from './figures.js';
import type {
  Bytes, ChangePage, DatabaseBatch, DatabaseBatchOp, DatabaseChange, FileOptions, MemoryOptions, Snapshot, StorePlace,
  Tree,
} from './index.js';

/**
 * Trees of a database as they were at one moment. It outlives the handle of the database, and its
 * trees outlive it, unless it is the argument of `Database.view`.
 */
export class DatabaseSnapshot {
  private constructor();

  /** The names of its trees, ordered by their UTF-8 bytes. */
  listTrees(): string[];

  /** How many trees it has. */
  readonly size: number;

  /**
   * One of its trees; all of them show the same moment. Each call gives a handle of its own.
   * @throws HoltError `TREE_NOT_FOUND`.
   */
  tree(name: string): Snapshot;

  /** Where `Database.changesSince` goes on from here. */
  readonly lsn: bigint;

  /** Gives up the handle at once; later calls throw, this one does not. */
  free(): void;
  [Symbol.dispose](): void;

  readonly [Symbol.toStringTag]: 'DatabaseSnapshot';
}

/** What a checkpoint image holds. */
export interface ImageSummary {
  trees: number;
  /** Records of all trees. */
  records: number;
  /** The highest version of a record; 0n if there is none. */
  maxVersion: bigint;
}

/**
 * The chunks of a checkpoint image, for `for … of` and `for await … of`; it runs once. It holds
 * the moment it shows until its end, or until it is left or disposed of. It throws `EXPIRED` if the
 * moment outgrew `snapshotBytes`.
 */
export interface ImageExport extends IterableIterator<Uint8Array>, AsyncIterable<Uint8Array> {
  return(value?: unknown): IteratorResult<Uint8Array>;
  /** The rest of it as a stream, which reads on as it is asked. */
  stream(): ReadableStream<Uint8Array>;
  [Symbol.iterator](): ImageExport;
  [Symbol.asyncIterator](): AsyncIterableIterator<Uint8Array>;
  [Symbol.dispose](): void;
}

/**
 * A checkpoint image to be read: its bytes in order, cut anywhere. A stream that fails, or that is
 * not read to its end, is cancelled.
 */
export type ImageSource =
  | Uint8Array
  | Iterable<Uint8Array>
  | AsyncIterable<Uint8Array>
  | ReadableStream<Uint8Array>;

/**
 * Reads an image to its end and checks all of it: form, checksums, order, counts.
 * @throws HoltError `INVALID_IMAGE`, `UNSUPPORTED_FORMAT`, by rejection; or what the source threw.
 */
export function validateCheckpoint(image: ImageSource): Promise<ImageSummary>;

/** A place in the recovery journal: a number, and the caller's digest of everything up to it. */
export interface JournalAnchor {
  sequence: bigint;
  /** `limits.journalDigestBytes` bytes. */
  digest: Uint8Array;
}

/** One link of the journal: what was before, what is now, and what was done, in the caller's form. */
export interface JournalEnvelope {
  previous: JournalAnchor;
  /** Its sequence is one more than that of `previous`. */
  current: JournalAnchor;
  payload: Uint8Array;
}

/** The same as an argument: the payload, 1 to `limits.journalRecordBytes` bytes, may be a string. */
export interface NewJournalEnvelope extends Omit<JournalEnvelope, 'payload'> {
  payload: Bytes;
}

/** Where the journal stands. */
export interface JournalState {
  /** Where it began. */
  genesis: JournalAnchor;
  /** Envelopes up to this one are no longer kept: they are part of a checkpoint. */
  checkpoint: JournalAnchor;
  /** The last envelope. */
  tail: JournalAnchor;
}

/** A part of the journal. */
export interface JournalPage {
  envelopes: JournalEnvelope[];
  /** Pass it to `journalEnvelopesAfter` to go on. */
  next: JournalAnchor;
  /** Whether there are more envelopes now. */
  more: boolean;
}

/**
 * A store of named trees. Its trees and their snapshots are handles of their own, which outlive
 * that of the database.
 */
export class Database {
  private constructor();

  /** A new store in memory without trees. It lives as long as any of its handles. */
  static memory(options?: MemoryOptions): Database;

  /** The store in files, opened as a database; see `Tree.open`. */
  static open(place: StorePlace, options?: FileOptions): Promise<Database>;

  /**
   * A new tree.
   * @throws HoltError `TREE_EXISTS`, `INVALID_TREE_NAME`, `QUOTA_EXCEEDED` for too many trees.
   */
  createTree(name: string): Tree;

  /**
   * A handle of a tree.
   * @throws HoltError `TREE_NOT_FOUND`.
   */
  openTree(name: string): Tree;

  /** A handle of a tree, which is created if there is none of the name. */
  openOrCreateTree(name: string): Tree;

  /** The names of all trees, ordered by their UTF-8 bytes. */
  listTrees(): string[];

  /**
   * Drops a tree with all its records; its handles throw `TREE_DROPPED`, its snapshots live on.
   * @throws HoltError `TREE_NOT_FOUND`.
   */
  dropTree(name: string): void;

  /**
   * Applies operations on several trees in order, all of them or none; see `Tree.atomic`.
   * @returns whether the batch was applied: `false` if a guard failed.
   */
  atomic(fill: ((batch: DatabaseBatch) => void) | readonly DatabaseBatchOp[]): boolean;

  /**
   * The same, with an error for a failed guard.
   * @throws HoltError `GUARD_FAILED`.
   */
  txn(fill: ((batch: DatabaseBatch) => void) | readonly DatabaseBatchOp[]): void;

  /**
   * All trees as they are now. Taking it costs the same however large they are; keeping it costs
   * what changes meanwhile, so free it when it is done with.
   */
  snapshot(): DatabaseSnapshot;

  /**
   * Calls `read` with some trees as they are now, each under a prefix, and frees them after it
   * returns, or its promise settles. Of a name given twice the last prefix counts.
   * @throws HoltError `TREE_NOT_FOUND`.
   */
  view<R>(trees: Iterable<readonly [string, Bytes]>, read: (view: DatabaseSnapshot) => R): R;

  /**
   * Commits of all trees from a position on; see `Tree.changesSince`. Begin with `lastLsn()`, or
   * with the `lsn` of a snapshot of the database.
   */
  changesSince(lsn: bigint): ChangePage<DatabaseChange>;

  /** Every commit so far has a position below this one. */
  lastLsn(): bigint;

  /**
   * All trees as they are now, with the versions of their records, as one image, in chunks of at
   * most `chunkBytes` (256 KiB, up to `limits.imageChunkBytes`). Others write meanwhile.
   */
  exportCheckpoint(options?: { chunkBytes?: number | undefined }): ImageExport;

  /**
   * Puts the trees of an image into this database, beside those it has: all of them, or nothing.
   * Versions come along, later writes get higher ones, and the change feed begins anew. Until the
   * promise settles reads go on, and every write and upkeep throws `INVALID_ARGUMENT`.
   * @throws HoltError by rejection, with nothing changed: `INVALID_IMAGE`, `UNSUPPORTED_FORMAT`,
   * `TREE_EXISTS` for a name that is taken, `QUOTA_EXCEEDED` for too many trees,
   * `JOURNAL_STREAM_UNAVAILABLE` if the database keeps a journal; or what the source threw.
   */
  installCheckpoint(image: ImageSource): Promise<ImageSummary>;

  /**
   * Begins the recovery journal. From then on records change by `atomicWithJournalEnvelope` only.
   * Beginning it again at the same anchor changes nothing.
   * @throws HoltError `JOURNAL_ANCHOR_MISMATCH` at another one.
   */
  initializeJournalStream(genesis: JournalAnchor): void;

  /**
   * Where the journal stands.
   * @throws HoltError `JOURNAL_STREAM_UNAVAILABLE` if there is none.
   */
  journalState(): JournalState;

  /**
   * Applies operations and writes an envelope, together or not at all. The envelope must follow
   * the tail of the journal: of two writers with the same `previous` one wins.
   * @returns whether it was done: `false`, and no envelope, if a guard failed.
   * @throws HoltError `JOURNAL_ANCHOR_MISMATCH`; `JOURNAL_STREAM_UNAVAILABLE`; `INVALID_ARGUMENT`
   * for a batch that changes nothing; and those of `atomic`.
   */
  atomicWithJournalEnvelope(
    envelope: NewJournalEnvelope,
    fill: ((batch: DatabaseBatch) => void) | readonly DatabaseBatchOp[],
  ): boolean;

  /**
   * Envelopes after `cursor`: at most `limit` (1000), and no further one once `maxBytes` (1 MiB) of
   * payloads are reached. More than `limits.journalPageEnvelopes` or `limits.pageBytes` is taken as
   * those.
   * @throws HoltError `JOURNAL_POSITION_EXPIRED` if they are no longer kept;
   * `JOURNAL_ANCHOR_MISMATCH` if the cursor is not of this journal.
   */
  journalEnvelopesAfter(
    cursor: JournalAnchor,
    options?: { limit?: number | undefined; maxBytes?: number | undefined },
  ): JournalPage;

  /** Figures; cheap. */
  stats(): DatabaseStats;

  /** Gives up the handle; its trees and snapshots live on. Later calls throw, this one does not. */
  free(): void;
  [Symbol.dispose](): void;

  readonly [Symbol.toStringTag]: 'Database';
}
export interface Database extends Upkeep {}
