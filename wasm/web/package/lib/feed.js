// Parts of the change feed: reading the packed form (its layout is in `wasm/web/src/feed.rs`).

const CHANGE_BYTES = 12;
const EVENT_BYTES = 21;

// By kind.
const EVENTS = [
  (key, value, version) => ({ type: 'put', key, value, version }),
  (key) => ({ type: 'delete', key }),
  (src, dst) => ({ type: 'renamePrefix', src, dst }),
  (prefix) => ({ type: 'deletePrefix', prefix }),
  () => ({ type: 'createTree' }),
  () => ({ type: 'dropTree' }),
];

/**
 * The changes as objects, and where to go on. With `named`, each event has the number of its tree.
 */
export function decodeChanges({ bytes, count, next, more }, named) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let at = 0;
  const event = () => {
    const make = EVENTS[bytes[at]];
    const tree = view.getUint32(at + 1, true);
    const first = view.getUint32(at + 5, true);
    const second = view.getUint32(at + 9, true);
    const version = view.getBigUint64(at + 13, true);
    const middle = at + EVENT_BYTES + first;
    const pieces = [bytes.slice(at + EVENT_BYTES, middle), bytes.slice(middle, middle + second)];
    at = middle + second;
    const told = make(...pieces, version);
    return named ? { ...told, tree } : told;
  };
  const changes = Array.from({ length: count }, () => {
    const lsn = view.getBigUint64(at, true);
    const length = view.getUint32(at + 8, true);
    at += CHANGE_BYTES;
    return { lsn, events: Array.from({ length }, event) };
  });
  return { changes, next, more };
}
