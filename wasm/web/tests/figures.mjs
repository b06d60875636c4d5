// Prints what an operation costs in Node, beside a plain JavaScript Map with a sorted array of its
// keys. It asserts nothing about time: machines differ, only ratios within one run mean anything.
// Time is this process's time on a processor, which a busy machine stretches less than the clock.
//
//   node figures.mjs [RECORDS]      (100 000)
//
// Keys are object-store paths loaded in random order, values about 52 bytes of JSON. The Map holds
// the same keys as strings and values as Uint8Arrays, and hands out copies, as the tree does.
import { buildInfo, Tree } from '../pkg/node.js';
import { Random } from './suite/random.mjs';

const RECORDS = Number(process.argv[2] ?? 100_000);
if (!(Number.isInteger(RECORDS) && RECORDS >= 1000)) {
  console.error('figures: RECORDS must be a whole number, at least 1000');
  process.exit(2);
}
const LIST = 100;
const ROUNDS = 3;
const encoder = new TextEncoder();
const random = new Random(42);

const keys = Array.from({ length: RECORDS }, (_, at) => (
  `bucket-${String(at % 16).padStart(2, '0')}/path/sub/file-${String(at).padStart(7, '0')}.bin`));
for (let at = keys.length - 1; at > 0; at -= 1) {
  const other = random.next(at + 1);
  [keys[at], keys[other]] = [keys[other], keys[at]];
}
const byteKeys = keys.map((key) => encoder.encode(key));
const values = keys.map((_, at) => encoder.encode(`{"size":${at % 100_000},"mtime":1700000000,"etag":"0123456"}`));
const starts = Array.from({ length: 500 }, () => random.pick(keys));
let sink = 0;

/** Nanoseconds of processor time so far. */
function now() {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1000;
}

/** Nanoseconds of one of `count` calls, the best of some rounds. */
function measure(count, body, rounds = ROUNDS) {
  let best = Infinity;
  for (let round = 0; round < rounds; round += 1) {
    const start = now();
    for (let at = 0; at < count; at += 1) body(at);
    best = Math.min(best, (now() - start) / count);
  }
  return best;
}

/** First place in a sorted array whose key is after `key`. */
function after(sorted, key) {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] <= key) low = middle + 1;
    else high = middle;
  }
  return low;
}

function measureTree(form) {
  const tree = Tree.memory();
  const load = measure(keys.length, (at) => tree.put(form[at], values[at]), 1);
  const figures = {
    load,
    get: measure(keys.length, (at) => { sink += tree.get(form[at]).length; }),
    miss: measure(keys.length, (at) => { sink += tree.get(form[at].slice(1)) === undefined ? 1 : 0; }),
    put: measure(keys.length, (at) => tree.put(form[at], values[at])),
    'list 100': measure(starts.length, (at) => {
      for (const entry of tree.scan({ startAfter: starts[at], limit: LIST })) sink += entry.value.length;
    }),
    'keys 100': measure(starts.length, (at) => {
      for (const entry of tree.scanKeys({ startAfter: starts[at], limit: LIST })) sink += entry.key.length;
    }),
    'list level': measure(200, () => {
      for (const entry of tree.scan({ delimiter: '/' })) sink += entry.prefix.length;
    }),
    'batch of 100': measure(200, (at) => tree.atomic((batch) => {
      for (let op = 0; op < LIST; op += 1) batch.put(form[(at * LIST + op) % keys.length], values[op]);
    })),
  };
  const stats = tree.stats();
  const { fillPerMille, payloadBytes, clean } = tree.verify();
  figures.delete = measure(keys.length, (at) => tree.delete(form[at]), 1);
  tree.free();
  return { figures, stats, fillPerMille, payloadBytes, clean };
}

function measureMap() {
  const map = new Map();
  const load = measure(keys.length, (at) => map.set(keys[at], values[at].slice()), 1);
  const sorting = now();
  const sorted = [...map.keys()].sort();
  const sort = (now() - sorting) / keys.length;
  const list = (start, take) => {
    const from = after(sorted, start);
    for (const key of sorted.slice(from, from + LIST)) take(key);
  };
  const figures = {
    load,
    get: measure(keys.length, (at) => { sink += map.get(keys[at]).slice().length; }),
    miss: measure(keys.length, (at) => { sink += map.get(keys[at].slice(1)) === undefined ? 1 : 0; }),
    put: measure(keys.length, (at) => map.set(keys[at], values[at].slice())),
    'list 100': measure(starts.length, (at) => list(starts[at], (key) => {
      sink += { type: 'key', key: encoder.encode(key), value: map.get(key).slice(), version: 1n }.value.length;
    })),
    'keys 100': measure(starts.length, (at) => list(starts[at], (key) => {
      sink += { type: 'key', key: encoder.encode(key), version: 1n }.key.length;
    })),
    'list level': NaN,
    'batch of 100': NaN,
    delete: measure(keys.length, (at) => map.delete(keys[at]), 1),
  };
  return { figures, sort };
}

const strings = measureTree(keys);
const bytes = measureTree(byteKeys);
const map = measureMap();

const { version, simd } = buildInfo();
console.log(`holt-web ${version}, simd ${simd}, Node ${process.version}, ${RECORDS} records, random order; ns of processor time per operation`);
const row = (name, ...cells) => console.log(name.padEnd(14) + cells.map((cell) => String(cell).padStart(16)).join(''));
row('', 'tree, strings', 'tree, bytes', 'Map and array');
for (const name of Object.keys(strings.figures)) {
  const cell = (value) => (Number.isNaN(value) ? '-' : Math.round(value));
  row(name, cell(strings.figures[name]), cell(bytes.figures[name]), cell(map.figures[name]));
}
console.log(`the Map's keys are sorted once, ${Math.round(map.sort)} ns a key; its puts and deletes would have to keep that order`);
const { frames, levels, spills, merges, pageSplits, evictions } = strings.stats;
console.log(`tree: ${frames} frames, ${levels} levels, fill ${strings.fillPerMille / 1000}, payload ${strings.payloadBytes} bytes,`
  + ` clean ${strings.clean}; page splits ${pageSplits}, spills ${spills}, merges ${merges}, evictions ${evictions}`);
if (!Number.isFinite(sink)) console.log(sink);
