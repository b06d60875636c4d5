// One of several processes that want the same directory: takes it again and again, to write or to
// read, and says how often it was not alone in it, or only with readers. It seldom gives a lock back:
// it leaves what a process leaves that was killed, in the middle of taking over another's too.
import { randomUUID } from 'node:crypto';
import { existsSync, openSync, closeSync, readdirSync, renameSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

import { lock } from '../pkg/lock-node.js';

const LOCK = 'holt-web.lock';
const [where, ended, rounds] = process.argv.slice(2);
const at = (name) => join(where, name);
const end = Date.now() + 60_000;
const counts = { taken: 0, together: 0 };

/** Puts a file into the directory, in place of one that is there. */
function plant(name, text) {
  const path = at(`planted ${randomUUID()}`);
  writeFileSync(path, text);
  renameSync(path, at(name));
}

function stay() {
  const until = performance.now() + Math.random() * 2;
  while (performance.now() < until);
}

function write() {
  try {
    closeSync(openSync(at('writing'), 'wx'));
  } catch {
    counts.together += 1;
    return;
  }
  stay();
  if (readdirSync(where).some((name) => name.startsWith('reading'))) counts.together += 1;
  unlinkSync(at('writing'));
}

function read() {
  const mark = at(`reading ${randomUUID()}`);
  writeFileSync(mark, '');
  stay();
  if (existsSync(at('writing'))) counts.together += 1;
  unlinkSync(mark);
}

/** Leaves the lock as that of a process that has ended. */
function leave(how) {
  const id = randomUUID();
  if (how === 0) plant(`${LOCK}.t.${id}`, `${ended} ${randomUUID()}`);
  if (how === 1) plant(`${LOCK}.r.${id}`, `${ended} ${id}`);
  plant(LOCK, how === 2 ? '' : `${ended} ${id}`);
}

while (counts.taken < Number(rounds) && Date.now() < end) {
  const reads = Math.random() < 0.3;
  let release;
  try {
    release = lock(where, reads);
  } catch (error) {
    if (error.code !== 'LOCKED') throw error;
    await pause(Math.random() * 3);
    continue;
  }
  counts.taken += 1;
  if (reads) read();
  else write();
  if (!reads && counts.taken % 5 !== 4) leave(counts.taken % 5);
  release();
}
process.stdout.write(JSON.stringify(counts));
