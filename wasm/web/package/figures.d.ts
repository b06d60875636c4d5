// Upkeep of a store, and its figures and reports.

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
  /** Lookups that found a page missing in memory and waited for the store. */
  coldReads: number;
  /** Times that such a lookup began anew. */
  lookupRestarts: number;
  evictions: number;
  stagedEvictions: number;
  /** Bytes in use on leaf pages in memory over their capacity, in thousandths. */
  fillPerMille: number;
  pageSplits: number;
  pageBalances: number;
  pageMerges: number;
  /** Full frames that moved half their pages to a sibling. */
  spills: number;
  /** Thin frames merged with a neighbour. */
  merges: number;
  compactions: number;
  checkpoints: number;
  checkpointPages: number;
  /** Bytes of keys and values in commits. */
  writtenPayloadBytes: number;
  /** Bytes written to the store under the cache: over those of commits, what a byte costs. */
  writtenBytes: number;
  /** Published pages in the store under the cache. */
  storePages: number;
  /** Bytes the store under the cache holds. */
  storeBytes: number;
}

/** Figures of one tree of a database. */
export interface NamedTreeStats {
  name: string;
  /** Live records. */
  records: number;
  frames: number;
  /** Levels of frames: 1 for a tree of one frame. */
  levels: number;
}

/** Figures of a database. */
export interface DatabaseStats {
  /** Trees with a name. */
  openTreeCount: number;
  /** Each of them, in the order of their names. */
  trees: NamedTreeStats[];
  /** The store as a whole; records and frames of all its trees, a few of its own included. */
  store: TreeStats;
}

/** What `vacuum` came to. */
export interface VacuumStats {
  /** Frames and long values that nothing led to, now removed. */
  unreachableBlobs: number;
  /** Frames repacked. */
  compactions: number;
  /** Thin frames joined with a neighbour. */
  merges: number;
  /** Bytes that the store under the cache had allocated before. */
  bytesBefore: number;
  /** Bytes that it has allocated now. */
  bytesAfter: number;
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

/** Upkeep of the whole store, with all its trees; by a handle of any of them. */
export interface Upkeep {
  /** Publishes everything written so far to the store under the cache. */
  checkpoint(): void;

  /** Makes everything written so far survive loss of power; of a store in memory it does nothing. */
  sync(): void;

  /** Repacks thin pages and frames of all trees. */
  compact(): void;

  /** Does up to `pages` (64) pages of upkeep; `true` if there is more to do. */
  maintain(pages?: number): boolean;

  /** Removes what nothing leads to; returns how many frames and long values that were. */
  gc(): number;

  /** Gives back as much space as it can: collects, repacks, publishes. */
  vacuum(): VacuumStats;

  /** Checks everything: pages, order, fences, routing, counts, the list of trees. */
  verify(): VerifyReport;
}
