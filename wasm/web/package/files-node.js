// The files of a store in Node: two in a directory, and one that says which process has them.
import { randomUUID } from 'node:crypto';
import {
  closeSync, constants, existsSync, fstatSync, fsyncSync, ftruncateSync, linkSync, mkdirSync, openSync, readFileSync, readSync,
  renameSync, unlinkSync, writeFileSync, writeSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

import { wrongType } from './lib/errors.js';
import { BLOBS_FILE, LOG_FILE, cannotOpen, locked, noStore } from './lib/files.js';

const LOCK_FILE = 'holt-web.lock';

/** A file with the methods of a `FileSystemSyncAccessHandle`. */
class NodeFile {
  #fd;
  #closed;

  constructor(path, closed) {
    this.#fd = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o666);
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

const gone = (error) => error.code === 'ENOENT';

function alive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code !== 'ESRCH';
  }
}

/** Runs a call on a path; `undefined` if there is nothing there. */
function unlessGone(call) {
  try {
    return call();
  } catch (error) {
    if (gone(error)) return undefined;
    throw error;
  }
}

/** Removes the lock of a process that ended, unless it is another's by now. */
function takeAway(path, stale, refuse) {
  const aside = `${path}.${randomUUID()}`;
  if (unlessGone(() => renameSync(path, aside) ?? true) === undefined) return;
  const other = readFileSync(aside, 'utf8') !== stale;
  // Somebody was quicker: it is theirs.
  if (other) linkSync(aside, path);
  unlinkSync(aside);
  if (other) throw refuse();
}

/** Takes the directory for this process; returns what gives it back. */
function lock(directory) {
  const path = join(directory, LOCK_FILE);
  const refuse = () => locked(`the store in ${directory}`, `free its handles, or remove ${path} if no process has it`);
  const mine = `${process.pid} ${randomUUID()}`;
  for (;;) {
    try {
      writeFileSync(path, mine, { flag: 'wx' });
      return () => {
        if (unlessGone(() => readFileSync(path, 'utf8')) === mine) unlinkSync(path);
      };
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    const holder = unlessGone(() => readFileSync(path, 'utf8'));
    if (holder === undefined) continue;
    const pid = Number.parseInt(holder, 10);
    if (!(pid > 0) || alive(pid)) throw refuse();
    takeAway(path, holder, refuse);
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

/** The two files of the store in a directory, which with `create` is made if there is none. */
export async function openPlace(place, create) {
  if (typeof place !== 'string' && !(place instanceof URL)) {
    throw wrongType('the place of a store', 'the path of a directory', place);
  }
  const directory = resolve(place instanceof URL ? fileURLToPath(place) : place);
  if (!create && !existsSync(join(directory, BLOBS_FILE))) throw noStore(directory);
  const files = [];
  let release = () => {};
  try {
    mkdirSync(directory, { recursive: true });
    release = lock(directory);
    let open = 2;
    const closed = () => {
      open -= 1;
      if (open === 0) release();
    };
    for (const name of [BLOBS_FILE, LOG_FILE]) files.push(new NodeFile(join(directory, name), closed));
    syncDirectory(directory);
    return files;
  } catch (error) {
    for (const file of files) file.close();
    release();
    throw cannotOpen(`the store in ${directory}`, error);
  }
}
