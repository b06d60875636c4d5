// Seeded random numbers, and keys and values of hostile shapes.

/** Numbers from a seed: `next(n)` is below n. */
export class Random {
  #state;

  constructor(seed) {
    this.#state = seed >>> 0;
  }

  next(bound) {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000) * bound);
  }

  pick(list) {
    return list[this.next(list.length)];
  }

  bytes(length) {
    return Uint8Array.from({ length }, () => this.next(256));
  }
}

const STAIRS = new Uint8Array(400).fill(0x61);
const LONG = new Uint8Array(3000).map((_, at) => at % 7);

const shapes = [
  // Staircases: each key is a prefix of the next.
  (random) => STAIRS.slice(0, random.next(STAIRS.length + 1)),
  // The empty key, NULs, and keys that differ by trailing NULs only.
  (random) => new Uint8Array(random.next(5)),
  (random) => Uint8Array.of(0x61, ...new Uint8Array(random.next(4))),
  // All byte values, short and dense.
  (random) => Uint8Array.of(random.next(256)),
  (random) => Uint8Array.of(random.next(256), random.next(256)),
  (random) => random.bytes(random.next(12)),
  // Paths, with the delimiter doubled, leading, trailing.
  (random) => `dir-${random.next(6)}/sub-${random.next(4)}/file-${random.next(40)}.bin`,
  (random) => '/'.repeat(random.next(4)) + random.pick(['', 'a', 'a/', 'a//b', 'é/ü', '漢字/😀']),
  // Long shared prefixes with short tails.
  (random) => {
    const key = LONG.slice(0, random.pick([255, 256, 257, 1023, 1024, 1025, 3000]));
    key[key.length - 1] = random.next(256);
    return key;
  },
];

/** A key. Strings stay strings, so that both forms are used. */
export const anyKey = (random) => random.pick(shapes)(random);

/** A value: mostly short, sometimes around the size that leaves the page. */
export function anyValue(random) {
  const size = random.pick([0, 1, 8, 40, 52, 200, 900, 1024, 1040, 1041, 4096, 9000]);
  if (size === 8) return `v${random.next(1e6)}é`;
  const value = new Uint8Array(size).fill(random.next(256));
  if (size > 0) value[random.next(size)] = random.next(256);
  return value;
}
