// The files of a store in a browser: two in a directory of the origin's private file system.
import { HoltError, wrongType } from './lib/errors.js';
import { BLOBS_FILE, LOG_FILE, NOTHING, cannotOpen, locked, noStore } from './lib/files.js';

async function directoryOf(place, create) {
  if (typeof place === 'string') {
    let directory = await navigator.storage.getDirectory();
    for (const name of place.split('/').filter(Boolean)) {
      directory = await directory.getDirectoryHandle(name, { create });
    }
    return directory;
  }
  if (typeof place === 'object' && place !== null && typeof place.getFileHandle === 'function') return place;
  throw wrongType('the place of a store', 'a path in the private file system or a directory handle', place);
}

/** The file of a name; `NOTHING` for a log that is not there and is not to be created. */
async function open(directory, name, readOnly) {
  let handle;
  try {
    handle = await directory.getFileHandle(name, { create: !readOnly });
  } catch (error) {
    if (readOnly && name === LOG_FILE && error?.name === 'NotFoundError') return NOTHING;
    throw error;
  }
  // The handle is the lock: one that may write is the only one. Browsers that do not know the mode
  // give one reader at a time its own.
  return readOnly ? handle.createSyncAccessHandle({ mode: 'read-only' }) : handle.createSyncAccessHandle();
}

/**
 * The two files of the store in a directory, which with `create` is made if there is none. With
 * `readOnly` they cannot be written, and others may read them too.
 */
export async function openPlace(place, { create, readOnly }) {
  if (typeof globalThis.FileSystemFileHandle?.prototype.createSyncAccessHandle !== 'function') {
    throw new HoltError('INVALID_ARGUMENT', 'a store in files is opened in a dedicated worker, where files can be'
      + ' read and written at once; call open() there');
  }
  const files = [];
  try {
    const directory = await directoryOf(place, create);
    if (!create) await directory.getFileHandle(BLOBS_FILE);
    for (const name of [BLOBS_FILE, LOG_FILE]) files.push(await open(directory, name, readOnly));
    return files;
  } catch (error) {
    for (const file of files) file.close();
    if (!create && error?.name === 'NotFoundError') throw noStore('this place');
    if (error?.name === 'NoModificationAllowedError') {
      throw locked('the store', 'free its handles, or close the tab or worker that has it');
    }
    throw cannotOpen('the store', error);
  }
}
