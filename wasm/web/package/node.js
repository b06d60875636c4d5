// The package in Node: the wasm module is loaded by the import itself.
import glue from './node/holt_web.js';
import { openPlace } from './files-node.js';
import { bind } from './lib/home.js';

bind(glue, openPlace);

/** Ready at once in Node; there so that the same program runs in a browser. */
export async function init() {}

export { buildInfo } from './lib/home.js';
export { Database } from './lib/database.js';
export { DatabaseSnapshot } from './lib/database-snapshot.js';
export { HoltError } from './lib/errors.js';
export { validateCheckpoint } from './lib/image.js';
export { Snapshot } from './lib/snapshot.js';
export { Tree } from './lib/tree.js';
