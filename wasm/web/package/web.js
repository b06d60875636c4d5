// The package in a browser: `init` fetches and compiles the wasm module once.
import load, * as glue from './web/holt_web.js';
import { openPlace } from './files-web.js';
import { bind } from './lib/home.js';

let loading;

/**
 * Loads the wasm module; later calls give the promise of the first. After a failure it may be
 * called again.
 */
export function init(source) {
  loading ??= load(source === undefined ? undefined : { module_or_path: source }).then(
    () => bind(glue, openPlace),
    (error) => {
      loading = undefined;
      throw error;
    },
  );
  return loading;
}

export { buildInfo } from './lib/home.js';
export { Database } from './lib/database.js';
export { DatabaseSnapshot } from './lib/database-snapshot.js';
export { HoltError } from './lib/errors.js';
export { validateCheckpoint } from './lib/image.js';
export { Snapshot } from './lib/snapshot.js';
export { Tree } from './lib/tree.js';
