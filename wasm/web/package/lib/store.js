// Making a new store in memory, for trees and databases.
import { glue } from './home.js';
import { known, whole } from './options.js';
import { Wire, openFailure } from './wire.js';

const OPTIONS = ['cacheBytes', 'snapshotBytes', 'feedRetention', 'frameBytes'];

/** The wire of a new store; `what` is tree or database. */
export function memory(what, options) {
  const { Engine } = glue();
  const given = known(options, OPTIONS, 'memory');
  const bytes = OPTIONS.map((name) => whole(given[name], name, 0, Number.MAX_SAFE_INTEGER, undefined));
  let raw;
  try {
    raw = Engine.memory(what === 'database', ...bytes);
  } catch (error) {
    throw openFailure(error);
  }
  return new Wire(raw, what);
}
