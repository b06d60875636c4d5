// Checkpoint images: out as chunks, in from chunks. Types and units are documented in `index.d.ts`.
import { plain } from './bytes.js';
import { wrongType } from './errors.js';
import { glue, home } from './home.js';
import { Iteration } from './iteration.js';
import { known, whole } from './options.js';
import { Wire, openFailure } from './wire.js';

const STANDARD_CHUNK_BYTES = 256 * 1024;

/** The chunks of an image on its way out, synchronously or asynchronously; it runs once. */
export class ImageExport extends Iteration {
  #wire;
  #chunkBytes;

  /** `begin` gives the wire, once the options are known to be right. */
  constructor(begin, options) {
    super();
    const { chunkBytes } = known(options, ['chunkBytes'], 'exportCheckpoint');
    const most = home.info.limits.imageChunkBytes;
    this.#chunkBytes = whole(chunkBytes, 'chunkBytes', 1, most, STANDARD_CHUNK_BYTES);
    this.#wire = begin();
  }

  next() {
    if (this.#wire === undefined) return { done: true, value: undefined };
    let value;
    try {
      value = this.#wire.chunk(this.#chunkBytes);
    } catch (error) {
      this.return();
      throw error;
    }
    return value === undefined ? this.return() : { done: false, value };
  }

  /** Lets go of the moment; called by `for … of` when it is left early. */
  return(value) {
    const wire = this.#wire;
    this.#wire = undefined;
    wire?.free();
    return { done: true, value };
  }

  stream() {
    return new ReadableStream({
      pull: (controller) => {
        const { done, value } = this.next();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel: () => {
        this.return();
      },
    }, { highWaterMark: 0 });
  }
}

if (Symbol.dispose !== undefined) {
  Object.defineProperty(ImageExport.prototype, Symbol.dispose, {
    value() {
      this.return();
    },
    writable: true,
    configurable: true,
  });
}

/** A stream of a runtime whose streams are not iterable. */
async function* read(stream) {
  const reader = stream.getReader();
  let ended = false;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      ended = done;
      if (done) return;
      yield value;
    }
  } finally {
    if (!ended) await reader.cancel().catch(() => {});
    reader.releaseLock();
  }
}

/** What the caller gave, as something to iterate. */
function iterable(chunks) {
  if (ArrayBuffer.isView(chunks)) return [chunks];
  if (typeof chunks === 'object' && chunks !== null) {
    if (typeof chunks[Symbol.asyncIterator] === 'function') return chunks;
    if (typeof chunks[Symbol.iterator] === 'function') return chunks;
    if (typeof chunks.getReader === 'function') return read(chunks);
  }
  throw wrongType('an image', 'a stream or an iterable of Uint8Arrays, or one Uint8Array', chunks);
}

/** Takes an image in: the wire that `begin` gives is freed at the end, whatever that is. */
export async function takeIn(begin, chunks) {
  const source = iterable(chunks);
  const wire = begin();
  try {
    const most = home.info.limits.imageChunkBytes;
    for await (const chunk of source) {
      const bytes = plain(chunk, 'a chunk of an image');
      for (let at = 0; at < bytes.length; at += most) {
        wire.packed('push_chunk', bytes.subarray(at, at + most));
      }
      wire.tidy();
    }
    return wire.finishImage();
  } finally {
    wire.free();
  }
}

/** Checks an image without a store. */
export async function validateCheckpoint(chunks) {
  const { Engine } = glue();
  return takeIn(() => {
    try {
      return new Wire(Engine.check_image(), 'image');
    } catch (error) {
      throw openFailure(error);
    }
  }, chunks);
}
