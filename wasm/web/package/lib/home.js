// The one wasm module of this program: whether it is loaded, its limits, whether it has stopped.
import { HoltError } from './errors.js';

/**
 * `glue` is what wasm-bindgen generated, `memory` the linear memory, `info` what the module was
 * built as. `stopped` is set by the first failure inside wasm that is not an error of the tree.
 * `openPlace` opens the files of a store.
 */
export const home = {
  glue: undefined, memory: undefined, info: undefined, stopped: undefined, openPlace: undefined,
};

/** Makes a loaded module the one of this program, with its way to files. */
export function bind(glue, openPlace) {
  home.openPlace = openPlace;
  home.info = Object.freeze(JSON.parse(glue.build_info()));
  Object.freeze(home.info.limits);
  home.memory = glue.linear_memory();
  home.glue = glue;
}

/** The loaded module, or the reason why there is none. */
export function glue() {
  if (home.stopped !== undefined) throw home.stopped;
  if (home.glue === undefined) {
    throw new HoltError('NOT_READY', 'the wasm module is not loaded; await init() first');
  }
  return home.glue;
}

/** What the module was built as: version, SIMD, limits. */
export function buildInfo() {
  glue();
  return home.info;
}

/**
 * Turns an exception that came out of wasm into the error that every later call gets too: after
 * a trap the memory of the module may be in any state.
 */
export function stop(cause) {
  const detail = cause instanceof Error ? cause.message : String(cause);
  home.stopped ??= new HoltError(
    'ENGINE_STOPPED',
    `the engine stopped (${detail}); its trees are lost, reload the page or restart the process` +
      ' and, if it ran out of memory, keep less in it',
    { cause },
  );
  return home.stopped;
}
