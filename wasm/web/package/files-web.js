// The files of a store in a browser: two in a directory of the origin's private file system.
import { HoltError, wrongType } from './lib/errors.js';
import { BLOBS_FILE, LOG_FILE, cannotOpen, locked, noStore } from './lib/files.js';

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

/** The two files of the store in a directory, which with `create` is made if there is none. */
export async function openPlace(place, create) {
  if (typeof globalThis.FileSystemFileHandle?.prototype.createSyncAccessHandle !== 'function') {
    throw new HoltError('INVALID_ARGUMENT', 'a store in files is opened in a dedicated worker, where files can be'
      + ' read and written at once; call open() there');
  }
  const files = [];
  try {
    const directory = await directoryOf(place, create);
    if (!create) await directory.getFileHandle(BLOBS_FILE);
    for (const name of [BLOBS_FILE, LOG_FILE]) {
      const handle = await directory.getFileHandle(name, { create: true });
      // It is the only one: that is the lock.
      files.push(await handle.createSyncAccessHandle());
    }
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
