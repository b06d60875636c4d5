// The worker's part: methods and hostile arguments in a dedicated worker.
import * as holt from '/pkg/web.js';
import { hostile } from '../suite/hostile.mjs';
import { methods } from '../suite/methods.mjs';
import { run } from './harness.mjs';

await holt.init();
postMessage(await run('worker', (test) => {
  methods(test, holt);
  hostile(test, holt);
}));
