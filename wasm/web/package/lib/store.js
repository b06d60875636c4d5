// Making a new store in memory and opening one in files, for trees and databases.
import { openFiles } from './files.js';
import { glue } from './home.js';
import { flag, known, whole } from './options.js';
import { Wire, openFailure } from './wire.js';

const OPTIONS = ['cacheBytes', 'snapshotBytes', 'feedRetention', 'frameBytes'];

const bytesOf = (given) => OPTIONS.map((name) => whole(given[name], name, 0, Number.MAX_SAFE_INTEGER, undefined));

/** The wire of a new store; `what` is tree or database. */
export function memory(what, options) {
  const { Engine } = glue();
  const bytes = bytesOf(known(options, OPTIONS, 'memory'));
  let raw;
  try {
    raw = Engine.memory(what === 'database', ...bytes);
  } catch (error) {
    throw openFailure(error);
  }
  return new Wire(raw, what);
}

const FILE_OPTIONS = [...OPTIONS, 'sync', 'create', 'readOnly', 'autoCheckpoint', 'logBudget', 'lockWait'];

// As long as in other homes.
const LOCK_WAIT = 5000;

// Bits of the flags, as in `wasm/web/src/files.rs`.
const SYNC = 1;
const KEEP_LOG = 2;
const NO_CREATION = 4;
const READ_ONLY = 8;

/** The wire of a store in files. */
export async function open(what, place, options) {
  const { sync, create = true, readOnly, autoCheckpoint = true, logBudget, lockWait, ...rest } = known(options, FILE_OPTIONS, 'open');
  const reads = flag(readOnly, 'readOnly');
  const creates = flag(create, 'create') && !reads;
  const settings = {
    create: creates,
    readOnly: reads,
    flags: (flag(sync, 'sync') ? SYNC : 0) | (flag(autoCheckpoint, 'autoCheckpoint') ? 0 : KEEP_LOG)
      | (creates ? 0 : NO_CREATION) | (reads ? READ_ONLY : 0),
    lockWait: whole(lockWait, 'lockWait', 0, 0x7fff_ffff, LOCK_WAIT),
    numbers: [whole(logBudget, 'logBudget', 0, Number.MAX_SAFE_INTEGER, undefined), ...bytesOf(rest)],
  };
  return new Wire(await openFiles(what === 'database', place, settings), what);
}
