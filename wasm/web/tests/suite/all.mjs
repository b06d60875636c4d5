// The whole suite, for either home. `test(name, body)` registers one test; its body gets an object
// whose `diagnostic(text)` prints figures.
import { hostile } from './hostile.mjs';
import { methods } from './methods.mjs';
import { randomOps } from './random-ops.mjs';
import { shapes } from './shapes.mjs';

export function all(register, holt) {
  const test = (name, body) => register(name, (context) => body({ diagnostic: (text) => context.diagnostic(text) }));
  methods(test, holt);
  hostile(test, holt);
  randomOps(test, holt);
  shapes(test, holt);
}
