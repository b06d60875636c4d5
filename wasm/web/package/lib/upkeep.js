// Upkeep of a store, the same by a tree and by a database. Documented in `figures.d.ts`.
import { whole } from './options.js';

/** Gives a class the calls of upkeep; `live` finds the wire of one of its objects. */
export function addUpkeep({ prototype }, live) {
  const calls = {
    checkpoint() {
      live(this).run('checkpoint');
    },
    sync() {
      live(this).run('sync');
    },
    compact() {
      live(this).run('compact');
    },
    maintain(pages) {
      return live(this).run('maintain', whole(pages, 'pages', 1, 0xffff_ffff, 64));
    },
    gc() {
      const wire = live(this);
      wire.run('gc');
      return wire.count();
    },
    vacuum() {
      return live(this).report('vacuum');
    },
    verify() {
      return live(this).report('verify');
    },
    stats() {
      return live(this).report('stats');
    },
  };
  for (const [name, value] of Object.entries(calls)) {
    Object.defineProperty(prototype, name, { value, writable: true, configurable: true });
  }
}
