// The lock of a directory in Node, which has no locks on files: files that say which process has it.
//
// `holt-web.lock` is the writer's. It is linked there with its content (process, unique id), so it
// is never seen without. Readers leave a mark each, `holt-web.lock.r.<id>`. Both kinds look for the
// other after they left their own, so that of two at least one sees the other and withdraws.
//
// A lock whose process has ended is removed by the one who holds the right to: a lock of the same
// form at a name made from its id. Nobody else may remove it, so a lock that is seen with that right
// in hand cannot become another's before it is gone. A right can be orphaned as well, and has an id.
import { randomUUID } from 'node:crypto';
import { linkSync, readFileSync, readdirSync, renameSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { locked } from './lib/files.js';

const LOCK_FILE = 'holt-web.lock';

/** Runs a call on a path; `undefined` if there is nothing there. */
function unlessGone(call) {
  try {
    return call();
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

const remove = (path) => unlessGone(() => unlinkSync(path));

/**
 * What a lock says; `undefined` if there is none. One that says nothing was written before the
 * system failed, for a lock has its content from its first moment on.
 */
function read(path) {
  const text = unlessGone(() => readFileSync(path, 'utf8'));
  if (text === undefined) return undefined;
  const [, pid, id] = /^([1-9]\d{0,9}) ([0-9a-f-]{36})$/.exec(text) ?? [text, 0, 'damaged'];
  return { text, pid: Number(pid), id };
}

function alive({ pid }) {
  if (pid === 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code !== 'ESRCH';
  }
}

class DirectoryLock {
  #directory;
  #path;
  #id = randomUUID();
  #text = `${process.pid} ${this.#id}`;

  constructor(directory) {
    this.#directory = directory;
    this.#path = join(directory, LOCK_FILE);
  }

  #refuse() {
    return locked(`the store in ${this.#directory}`, `free its handles, or remove ${this.#path} and what begins with its`
      + ' name if no process has it');
  }

  /** A file with this lock's content, at a name that no one else uses. */
  #written() {
    const path = `${this.#path}.n.${process.pid}.${randomUUID()}`;
    writeFileSync(path, this.#text, { flag: 'wx' });
    return path;
  }

  /** Puts the lock at a path, with its content at once; whether nothing was there. */
  #link(path) {
    const written = this.#written();
    try {
      linkSync(written, path);
      return true;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
      return false;
    } finally {
      remove(written);
    }
  }

  #removeOwn(path) {
    if (read(path)?.text === this.#text) remove(path);
  }

  /** Removes a lock whose process has ended, unless it is gone by then; `false` if another is at it. */
  #takeAway(stale) {
    // From the right that is for the lock to the one for the last orphan, each with what it says.
    const rights = [];
    try {
      for (let { id } = stale; ;) {
        const right = `${this.#path}.t.${id}`;
        if (this.#link(right)) {
          rights.push([right, this.#text]);
          if (read(this.#path)?.text === stale.text) remove(this.#path);
          return true;
        }
        const holder = read(right);
        if (holder === undefined) return true;
        if (alive(holder)) return false;
        // An id that leads back is no process's own, nor is one that cannot be read.
        rights.push([right, holder.text]);
        const round = holder.pid === 0 || rights.some(([path]) => path.includes(holder.id));
        id = round ? `${id}.x` : holder.id;
      }
    } finally {
      // Orphans go with the right to remove them, and that right goes last.
      if (rights.at(-1)?.[1] === this.#text) {
        for (const [right, text] of rights) if (read(right)?.text === text) remove(right);
      }
    }
  }

  /** Whether a reader has the directory. Removes what processes left that have ended. */
  #hasReaders() {
    let found = false;
    for (const name of readdirSync(this.#directory)) {
      const [, kind, pid] = /^holt-web\.lock\.([nrt])\.(\d*)/.exec(name) ?? [];
      if (kind === undefined) continue;
      const path = join(this.#directory, name);
      // What is not linked yet may not be written yet, so its name says whose it is.
      const holder = kind === 'n' ? { pid: Number(pid) } : read(path);
      if (holder === undefined) continue;
      if (!alive(holder)) remove(path);
      else if (kind === 'r') found = true;
    }
    return found;
  }

  /** Takes the directory for one that writes; returns what gives it back. */
  exclusive() {
    while (!this.#link(this.#path)) {
      const holder = read(this.#path);
      if (holder !== undefined && (alive(holder) || !this.#takeAway(holder))) throw this.#refuse();
    }
    const release = () => this.#removeOwn(this.#path);
    try {
      if (this.#hasReaders()) throw this.#refuse();
      return release;
    } catch (error) {
      release();
      throw error;
    }
  }

  /** Takes the directory for one that reads, beside others that do; returns what gives it back. */
  shared() {
    const mark = `${this.#path}.r.${this.#id}`;
    let release = () => remove(mark);
    try {
      renameSync(this.#written(), mark);
    } catch (error) {
      // Nobody writes there.
      if (error.code !== 'EROFS') throw error;
      release = () => {};
    }
    try {
      const holder = read(this.#path);
      if (holder !== undefined && alive(holder)) throw this.#refuse();
      return release;
    } catch (error) {
      release();
      throw error;
    }
  }
}

/**
 * Takes a directory for this process, to read or to write the store in it; returns what gives it
 * back.
 * @throws HoltError `LOCKED`.
 */
export function lock(directory, readOnly) {
  const mine = new DirectoryLock(directory);
  return readOnly ? mine.shared() : mine.exclusive();
}
