// The whole suite, for either home. `test(name, body)` registers one test.
import { hostile } from './hostile.mjs';
import { methods } from './methods.mjs';
import { randomOps } from './random-ops.mjs';
import { shapes } from './shapes.mjs';

export function all(test, holt) {
  methods(test, holt);
  hostile(test, holt);
  randomOps(test, holt);
  shapes(test, holt);
}
