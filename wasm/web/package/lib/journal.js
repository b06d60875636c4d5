// The recovery journal: its packed forms (their layout is in `wasm/web/src/journal.rs`).
import { byteLength, check, plain, roomFor, write } from './bytes.js';
import { invalid, wrongType } from './errors.js';
import { home } from './home.js';
import { known, whole, word } from './options.js';

const DIGEST_BYTES = 32;
const ANCHOR_BYTES = 8 + DIGEST_BYTES;
const STANDARD_PAGE_ENVELOPES = 1000;
const STANDARD_PAGE_BYTES = 1024 * 1024;

/** A packed anchor. */
export function anchorBytes(anchor, what) {
  if (typeof anchor !== 'object' || anchor === null) {
    throw wrongType(what, 'an anchor { sequence, digest }', anchor);
  }
  const { sequence, digest } = anchor;
  const number = word(sequence, `the sequence of ${what}`);
  const bytes = plain(digest, `the digest of ${what}`);
  if (bytes.length !== DIGEST_BYTES) {
    throw invalid(`the digest of ${what} must have ${DIGEST_BYTES} bytes, but it has ${bytes.length}`);
  }
  const packed = new Uint8Array(ANCHOR_BYTES);
  new DataView(packed.buffer).setBigUint64(0, number, true);
  packed.set(bytes, 8);
  return packed;
}

const sequenceOf = (packed) => new DataView(packed.buffer).getBigUint64(0, true);

/** A packed envelope; everything in it is copied. */
export function envelopeBytes(wire, envelope) {
  if (typeof envelope !== 'object' || envelope === null) {
    throw wrongType('the envelope', 'an object { previous, current, payload }', envelope);
  }
  const { previous, current, payload } = envelope;
  const before = anchorBytes(previous, 'previous');
  const now = anchorBytes(current, 'current');
  if (sequenceOf(now) !== sequenceOf(before) + 1n) {
    throw invalid(`the sequence of current must be ${sequenceOf(before) + 1n}, one more than that of previous`);
  }
  check(payload, 'payload');
  const { journalRecordBytes } = home.info.limits;
  const length = byteLength(payload);
  if (length === 0) throw invalid('payload is empty; an envelope must carry something');
  if (length > journalRecordBytes) {
    throw invalid(`payload of ${length} bytes is over the limit of ${journalRecordBytes}; split it`);
  }
  const room = roomFor(payload);
  const packed = new Uint8Array(2 * ANCHOR_BYTES + room);
  packed.set(before);
  packed.set(now, ANCHOR_BYTES);
  const written = write(packed, 2 * ANCHOR_BYTES, payload, room, 'payload');
  return packed.subarray(0, 2 * ANCHOR_BYTES + written);
}

function decodeAnchor(bytes, at) {
  const sequence = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(at, true);
  return { sequence, digest: bytes.slice(at + 8, at + ANCHOR_BYTES) };
}

/** Where the journal stands. */
export function decodeState(bytes) {
  const [genesis, checkpoint, tail] = [0, 1, 2].map((at) => decodeAnchor(bytes, at * ANCHOR_BYTES));
  return { genesis, checkpoint, tail };
}

/** A place from which the journal is read on. */
export class JournalCursor {
  #from;
  packed;

  constructor(cursor, options) {
    const { limit, maxBytes } = known(options, ['limit', 'maxBytes'], 'journalEnvelopesAfter');
    const { journalPageEnvelopes, pageBytes } = home.info.limits;
    const envelopes = whole(limit, 'limit', 1, Infinity, STANDARD_PAGE_ENVELOPES);
    const most = whole(maxBytes, 'maxBytes', 1, Infinity, STANDARD_PAGE_BYTES);
    this.#from = anchorBytes(cursor, 'the cursor');
    this.packed = new Uint8Array(ANCHOR_BYTES + 8);
    this.packed.set(this.#from);
    const numbers = new DataView(this.packed.buffer, ANCHOR_BYTES);
    numbers.setUint32(0, Math.min(envelopes, journalPageEnvelopes), true);
    numbers.setUint32(4, Math.min(most, pageBytes), true);
  }

  /** What the engine found from here on. */
  page(count, bytes, more) {
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    // Each result has arrays of its own.
    let before = decodeAnchor(this.#from, 0);
    let at = 0;
    const envelopes = Array.from({ length: count }, () => {
      const previous = before;
      const current = decodeAnchor(bytes, at);
      const start = at + ANCHOR_BYTES + 4;
      at = start + view.getUint32(at + ANCHOR_BYTES, true);
      before = { sequence: current.sequence, digest: current.digest.slice() };
      return { previous, current, payload: bytes.slice(start, at) };
    });
    return { envelopes, next: before, more };
  }
}
