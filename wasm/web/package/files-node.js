// The files of a store in Node: two in a directory, which `lock-node.js` keeps to one process.
import {
  closeSync, constants, existsSync, fstatSync, fsyncSync, ftruncateSync, mkdirSync, openSync, readSync, writeSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

import { wrongType } from './lib/errors.js';
import { BLOBS_FILE, LOG_FILE, NOTHING, cannotOpen, noStore } from './lib/files.js';
import { lock } from './lock-node.js';

/** A file with the methods of a `FileSystemSyncAccessHandle`. */
class NodeFile {
  #fd;
  #closed;

  constructor(path, readOnly, closed) {
    this.#fd = openSync(path, readOnly ? constants.O_RDONLY : constants.O_RDWR | constants.O_CREAT, 0o666);
    this.#closed = closed;
  }

  getSize() {
    return fstatSync(this.#fd).size;
  }

  read(bytes, { at }) {
    return readSync(this.#fd, bytes, 0, bytes.length, at);
  }

  write(bytes, { at }) {
    return writeSync(this.#fd, bytes, 0, bytes.length, at);
  }

  truncate(length) {
    ftruncateSync(this.#fd, length);
  }

  flush() {
    fsyncSync(this.#fd);
  }

  close() {
    if (this.#fd === undefined) return;
    const fd = this.#fd;
    this.#fd = undefined;
    try {
      closeSync(fd);
    } finally {
      this.#closed();
    }
  }
}

/** Makes the names of new files durable. */
function syncDirectory(directory) {
  if (process.platform === 'win32') return;
  const fd = openSync(directory, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Runs all of some calls; throws what the first one threw that failed. */
function all(calls) {
  const errors = [];
  for (const call of calls) {
    try {
      call();
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw errors[0];
}

/** The file of a name; `NOTHING` for a log that is not there and is not to be created. */
function open(directory, name, readOnly, closed) {
  const path = join(directory, name);
  if (readOnly && name === LOG_FILE && !existsSync(path)) return NOTHING;
  return new NodeFile(path, readOnly, closed);
}

/**
 * The two files of the store in a directory, which with `create` is made if there is none. With
 * `readOnly` they cannot be written, and others may read them too.
 */
export async function openPlace(place, { create, readOnly }) {
  if (typeof place !== 'string' && !(place instanceof URL)) {
    throw wrongType('the place of a store', 'the path of a directory', place);
  }
  const directory = resolve(place instanceof URL ? fileURLToPath(place) : place);
  if (!create && !existsSync(join(directory, BLOBS_FILE))) throw noStore(directory);
  const files = [];
  let release = () => {};
  try {
    if (!readOnly) mkdirSync(directory, { recursive: true });
    release = lock(directory, readOnly);
    let left = 0;
    const closed = () => {
      left -= 1;
      if (left === 0) release();
    };
    for (const name of [BLOBS_FILE, LOG_FILE]) files.push(open(directory, name, readOnly, closed));
    if (!readOnly) syncDirectory(directory);
    left = files.filter((file) => file !== NOTHING).length;
    return files;
  } catch (error) {
    try {
      all([...files.map((file) => () => file.close()), release]);
    } catch {
      // What failed first is to be told.
    }
    throw cannotOpen(`the store in ${directory}`, error);
  }
}
