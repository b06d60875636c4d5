// The worker's part: methods and wrong arguments in a dedicated worker.
import * as holt from '/pkg/web.js';
import { database } from '../suite/database.mjs';
import { hostile } from '../suite/hostile.mjs';
import { images } from '../suite/images.mjs';
import { journal } from '../suite/journal.mjs';
import { methods } from '../suite/methods.mjs';
import { misuse } from '../suite/misuse.mjs';
import { moments } from '../suite/moments.mjs';
import { store } from '../suite/store.mjs';
import { run } from './harness.mjs';

await holt.init();
postMessage(await run('worker', (test) => {
  methods(test, holt);
  store(test, holt);
  database(test, holt);
  moments(test, holt);
  images(test, holt);
  journal(test, holt);
  hostile(test, holt);
  misuse(test, holt);
}));
