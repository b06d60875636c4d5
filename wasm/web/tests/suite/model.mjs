// What a tree must do, in the plainest way: a sorted array of keys and a Map.

const encoder = new TextEncoder();

/** The bytes of a key or value. */
export const bytes = (value) => (typeof value === 'string' ? encoder.encode(value) : value);

/** A string that sorts as the bytes do: one character per byte. */
function sortable(array) {
  let text = '';
  for (let at = 0; at < array.length; at += 8192) {
    text += String.fromCharCode(...array.subarray(at, at + 8192));
  }
  return text;
}

const unsorted = (text) => Uint8Array.from(text, (character) => character.charCodeAt(0));

export class Model {
  values = new Map();
  #sorted = [];
  #stale = false;

  get(key) {
    return this.values.get(sortable(bytes(key)));
  }

  put(key, value) {
    const text = sortable(bytes(key));
    if (!this.values.has(text)) this.#stale = true;
    this.values.set(text, bytes(value));
  }

  delete(key) {
    const had = this.values.delete(sortable(bytes(key)));
    this.#stale ||= had;
    return had;
  }

  /** `undefined` if it worked, else the code of the error. */
  rename(src, dst, force) {
    const value = this.get(src);
    if (value === undefined) return 'NOT_FOUND';
    if (sortable(bytes(src)) === sortable(bytes(dst))) return undefined;
    if (!force && this.get(dst) !== undefined) return 'DST_EXISTS';
    this.delete(src);
    this.put(dst, value);
    return undefined;
  }

  get sorted() {
    if (this.#stale) {
      this.#sorted = [...this.values.keys()].sort((left, right) => (left < right ? -1 : Number(left > right)));
      this.#stale = false;
    }
    return this.#sorted;
  }

  /** Entries without versions, in the shape of the package's. */
  scan({ prefix = '', startAfter, delimiter, limit = Infinity, keysOnly = false } = {}) {
    const start = sortable(bytes(prefix));
    const after = startAfter === undefined ? undefined : sortable(bytes(startAfter));
    const mark = delimiter === undefined ? undefined : String.fromCharCode(delimiter);
    const entries = [];
    let last;
    for (const text of this.sorted) {
      if (entries.length >= limit) break;
      if (!text.startsWith(start)) continue;
      const cut = mark === undefined ? -1 : text.indexOf(mark, start.length);
      const shown = cut < 0 ? text : text.slice(0, cut + 1);
      if ((after !== undefined && shown <= after) || (cut >= 0 && shown === last)) continue;
      last = shown;
      const key = unsorted(shown);
      if (cut >= 0) entries.push({ type: 'prefix', prefix: key });
      else if (keysOnly) entries.push({ type: 'key', key });
      else entries.push({ type: 'key', key, value: this.values.get(text) });
    }
    return entries;
  }
}

/** Entries of the package as the model has them. */
export function withoutVersion(entry) {
  const { version, ...rest } = entry;
  return rest;
}
