// A tree as it was at one moment. Types and units are documented in `index.d.ts`.
import { Reader, live, ours } from './reader.js';

export class Snapshot extends Reader {
  #scope;

  constructor(token, wire, scope) {
    if (token !== ours) throw new TypeError('a Snapshot is made by tree.snapshot(), not by new');
    super(wire, 'snapshot');
    this.#scope = scope;
  }

  get scope() {
    live(this);
    return this.#scope.slice();
  }

  get lsn() {
    return live(this).invoke('lsn');
  }

  get epoch() {
    return live(this).invoke('epoch');
  }

  get [Symbol.toStringTag]() {
    return 'Snapshot';
  }
}
