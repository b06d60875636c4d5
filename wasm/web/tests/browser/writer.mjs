// A worker with a store in files: writes until it is terminated, or says what is there.
import * as holt from '/pkg/web.js';

const decoder = new TextDecoder();

function write(tree, first) {
  for (let at = first; ; at += 1) {
    tree.put(`k${at}`, `value ${at}`);
    if (at % 200 === 0) tree.checkpoint();
    postMessage(at);
  }
}

function look(tree, last) {
  const missing = [];
  for (let at = 0; at <= last; at += 1) {
    const value = tree.get(`k${at}`);
    if (value === undefined || decoder.decode(value) !== `value ${at}`) missing.push(at);
  }
  const [{ records }, { clean }] = [tree.stats(), tree.verify()];
  tree.free();
  postMessage({ records, missing, clean });
}

onmessage = async ({ data: { place, first, last } }) => {
  await holt.init();
  // The browser lets go of the files of a terminated worker when it comes to it.
  const tree = await holt.Tree.open(place, { frameBytes: 16_384, lockWait: 60_000 });
  if (first === undefined) look(tree, last);
  else write(tree, first);
};
