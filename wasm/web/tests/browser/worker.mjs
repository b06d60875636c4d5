// The worker's part: methods and wrong arguments in a dedicated worker.
import * as holt from '/pkg/web.js';
import { database } from '../suite/database.mjs';
import { files } from '../suite/files.mjs';
import { hostile } from '../suite/hostile.mjs';
import { images } from '../suite/images.mjs';
import { journal } from '../suite/journal.mjs';
import { methods } from '../suite/methods.mjs';
import { misuse } from '../suite/misuse.mjs';
import { moments } from '../suite/moments.mjs';
import { store } from '../suite/store.mjs';
import { run } from './harness.mjs';

let places = 0;
const directory = async (place) => (await navigator.storage.getDirectory()).getDirectoryHandle(place, { create: true });

const opfs = {
  async fresh() {
    places += 1;
    return `store ${performance.timeOrigin} ${places}`;
  },
  async bytes(place, name) {
    const file = await (await (await directory(place)).getFileHandle(name)).getFile();
    return new Uint8Array(await file.arrayBuffer());
  },
  async put(place, name, bytes) {
    const file = await (await directory(place)).getFileHandle(name, { create: true });
    const stream = await file.createWritable();
    await stream.write(bytes);
    await stream.close();
  },
};

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
  files(test, holt, opfs);
}));
