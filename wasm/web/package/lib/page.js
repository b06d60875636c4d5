// Pages of a scan: reading the packed form (its layout is in `wasm/web/src/pack.rs`).

const ROLL_UP = 0xffff_ffff;

// Up to here a loop is quicker than `slice`.
const LOOP_BYTES = 48;

/** A copy with a buffer of its own, so that an entry can be kept or sent without its page. */
function copy(bytes, from, length) {
  if (length > LOOP_BYTES) return bytes.slice(from, from + length);
  const out = new Uint8Array(length);
  for (let at = 0; at < length; at += 1) out[at] = bytes[from + at];
  return out;
}

/** The entries of a page as objects, and where to go on: as a key, and as a token. */
export function decode({ bytes, count, tokenBytes, consistent }, keysOnly) {
  const { buffer } = bytes;
  const versions = new BigUint64Array(buffer, 0, count);
  const lengths = new Uint32Array(buffer, 8 * count, 2 * count);
  const entries = new Array(count);
  let at = 16 * count;
  for (let index = 0; index < count; index += 1) {
    const keyBytes = lengths[index];
    const valueBytes = lengths[count + index];
    const key = copy(bytes, at, keyBytes);
    at += keyBytes;
    if (valueBytes === ROLL_UP) {
      entries[index] = { type: 'prefix', prefix: key };
    } else if (keysOnly) {
      entries[index] = { type: 'key', key, version: versions[index] };
    } else {
      const value = copy(bytes, at, valueBytes);
      entries[index] = { type: 'key', key, value, version: versions[index] };
      at += valueBytes;
    }
  }
  if (tokenBytes < 0) return { entries, next: null, token: null, consistent };
  const last = entries[count - 1];
  const shown = last.type === 'prefix' ? last.prefix : last.key;
  return {
    entries, next: copy(shown, 0, shown.length), token: copy(bytes, at, tokenBytes), consistent,
  };
}
