// The error type of the package, and messages about wrong arguments.

/** A failure with a stable `code`; the message says what to do next. */
export class HoltError extends Error {
  constructor(code, message, options) {
    super(message, options);
    this.code = code;
  }

  get name() {
    return 'HoltError';
  }
}

/** An argument of the right type with a value the call does not take. */
export function invalid(message) {
  return new HoltError('INVALID_ARGUMENT', message);
}

/** What a value is, for messages. Never runs code of the value. */
export function kind(value) {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  const type = typeof value;
  if (type === 'undefined') return 'undefined';
  return type === 'object' ? 'an object' : `a ${type}`;
}

/** A `TypeError` about an argument. */
export function wrongType(what, expected, value) {
  return new TypeError(`${what} must be ${expected}, but it is ${kind(value)}`);
}

const FREED = {
  tree: ['TREE_FREED', 'this tree was freed; make a new one with Tree.memory()'],
  snapshot: ['SNAPSHOT_FREED', 'this snapshot was freed; take a new one with tree.snapshot()'],
  databaseSnapshot: ['SNAPSHOT_FREED', 'this snapshot was freed; take a new one with database.snapshot()'],
  database: ['DATABASE_FREED', 'this database was freed; make a new one with Database.memory()'],
};

/** The error of every call on a handle that was freed; images are freed by their own code only. */
export function freed(what) {
  const [code, message] = FREED[what];
  return new HoltError(code, message);
}
