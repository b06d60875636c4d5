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

/** The wire of a store in files. */
export async function open(what, place, options) {
  const given = known(options, [...OPTIONS, 'sync'], 'open');
  const [sync, bytes] = [flag(given.sync, 'sync'), bytesOf(given)];
  return new Wire(await openFiles(what === 'database', place, sync, bytes), what);
}
