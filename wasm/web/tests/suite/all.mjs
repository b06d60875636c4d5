// The whole suite, for either home. `test(name, body)` registers one test; its body gets an object
// whose `diagnostic(text)` prints figures.
import { database } from './database.mjs';
import { hostile } from './hostile.mjs';
import { images } from './images.mjs';
import { journal } from './journal.mjs';
import { methods } from './methods.mjs';
import { misuse } from './misuse.mjs';
import { moments } from './moments.mjs';
import { randomOps } from './random-ops.mjs';
import { randomStore } from './random-store.mjs';
import { shapes } from './shapes.mjs';
import { store } from './store.mjs';

export function all(register, holt) {
  const test = (name, body) => register(name, (context) => body({ diagnostic: (text) => context.diagnostic(text) }));
  methods(test, holt);
  store(test, holt);
  database(test, holt);
  moments(test, holt);
  images(test, holt);
  journal(test, holt);
  hostile(test, holt);
  misuse(test, holt);
  randomOps(test, holt);
  randomStore(test, holt);
  shapes(test, holt);
}
