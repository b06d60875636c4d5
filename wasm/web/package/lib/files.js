// Files as the engine sees them, and opening a store in them.
import { HoltError } from './errors.js';
import { glue, home } from './home.js';
import { openFailure } from './wire.js';

/** The files of a store, as in every home. */
export const BLOBS_FILE = 'blobs.dat';
export const LOG_FILE = 'journal.wal';

/** A file that is not there, for a store that is only read: the engine says what that means. */
export const NOTHING = { getSize: () => 0, read: () => 0, close: () => {} };

// By the name of a DOM exception, or the code of Node's.
const KINDS = {
  QuotaExceededError: 'space',
  ENOSPC: 'space',
  EDQUOT: 'space',
  EFBIG: 'space',
  NotFoundError: 'missing',
  ENOENT: 'missing',
  NotAllowedError: 'denied',
  EACCES: 'denied',
  EPERM: 'denied',
  EROFS: 'read-only',
};

/** Runs a call on a file; what it throws becomes the text that `wasm/web/src/files.rs` reads. */
function told(call) {
  try {
    return call();
  } catch (error) {
    throw `${KINDS[error?.code] ?? KINDS[error?.name] ?? 'device'}: ${error?.message ?? error}`;
  }
}

/**
 * A file with the methods that the engine calls, over one with those of a
 * `FileSystemSyncAccessHandle`.
 */
class EngineFile {
  #file;

  constructor(file) {
    this.#file = file;
  }

  size() {
    return told(() => this.#file.getSize());
  }

  read(address, length, at) {
    return told(() => this.#file.read(new Uint8Array(home.memory.buffer, address, length), { at }));
  }

  write(address, length, at) {
    return told(() => this.#file.write(new Uint8Array(home.memory.buffer, address, length), { at }));
  }

  truncate(length) {
    told(() => this.#file.truncate(length));
  }

  flush() {
    told(() => this.#file.flush());
  }

  close() {
    try {
      this.#file.close();
    } catch {
      // The system has what was written; there is nobody to tell.
    }
  }
}

/** The error of a store that is open already. */
export function locked(what, advice) {
  return new HoltError('LOCKED', `${what} is open already; ${advice}`);
}

/** The error of a place whose files cannot be opened. */
export function cannotOpen(what, error) {
  if (error instanceof HoltError || error instanceof TypeError) return error;
  return new HoltError('BLOB_STORE_IO', `${what} cannot be opened (${error?.message ?? error})`, { cause: error });
}

/** The error of a place where no store is. */
export function noStore(what) {
  return new HoltError('NO_STORE', `there is no store in ${what}; create one, or correct the place`);
}

const LOCK_PAUSE = 20;

/** The files of a place; waits a while for another to let go of them. */
async function filesOf(place, settings) {
  const end = performance.now() + settings.lockWait;
  for (;;) {
    try {
      return await home.openPlace(place, settings);
    } catch (error) {
      const left = end - performance.now();
      if (error.code !== 'LOCKED' || left <= 0) throw error;
      await new Promise((resolve) => {
        // A reader and a writer that saw each other shall not meet again.
        setTimeout(resolve, Math.min(LOCK_PAUSE * (0.5 + Math.random()), left));
      });
    }
  }
}

/** A raw engine over the store at a place; `numbers` are those of its options. */
export async function openFiles(named, place, settings) {
  glue();
  const [blobs, log] = (await filesOf(place, settings)).map((file) => new EngineFile(file));
  try {
    // The module may have stopped meanwhile.
    glue();
  } catch (error) {
    blobs.close();
    log.close();
    throw error;
  }
  const id = crypto.getRandomValues(new Uint8Array(16));
  try {
    return home.glue.Engine.open_files(named, blobs, log, id, settings.flags, ...settings.numbers);
  } catch (error) {
    throw openFailure(error);
  }
}
