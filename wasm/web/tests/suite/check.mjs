// Assertions that work in Node and in a browser, for the kinds of values the package returns.

/** A short text of any value, for failure messages. */
export function show(value) {
  if (value instanceof Uint8Array) {
    const head = Array.from(value.subarray(0, 24), (byte) => byte.toString(16).padStart(2, '0')).join('');
    return `bytes(${value.length}: ${head}${value.length > 24 ? '…' : ''})`;
  }
  if (typeof value === 'bigint') return `${value}n`;
  if (Array.isArray(value)) {
    return `[${value.slice(0, 8).map(show).join(', ')}${value.length > 8 ? `, … ${value.length}` : ''}]`;
  }
  if (typeof value === 'object' && value !== null) {
    return `{${Object.entries(value).map(([name, member]) => `${name}: ${show(member)}`).join(', ')}}`;
  }
  return typeof value === 'string' ? JSON.stringify(value) : String(value);
}

function sameBytes(left, right) {
  if (left.length !== right.length) return false;
  for (let at = 0; at < left.length; at += 1) if (left[at] !== right[at]) return false;
  return true;
}

/** Deep equality of primitives, byte arrays, arrays and plain objects; types must match. */
export function same(left, right) {
  if (Object.is(left, right)) return true;
  if (typeof left !== 'object' || typeof right !== 'object' || left === null || right === null) return false;
  if (Object.getPrototypeOf(left) !== Object.getPrototypeOf(right)) return false;
  if (left instanceof Uint8Array) return sameBytes(left, right);
  const names = Object.keys(left);
  return names.length === Object.keys(right).length
    && names.every((name) => Object.hasOwn(right, name) && same(left[name], right[name]));
}

export function equal(actual, expected, about = '') {
  if (!same(actual, expected)) {
    throw new Error(`${about}${about && ': '}got ${show(actual)}, expected ${show(expected)}`);
  }
}

export function ok(condition, about) {
  if (!condition) throw new Error(about);
}

/** Runs `call`, which must throw; returns what it threw. */
export function thrown(call, about = '') {
  let result;
  try {
    result = call();
  } catch (error) {
    return error;
  }
  throw new Error(`${about}${about && ': '}expected an error, got ${show(result)}`);
}

/** The call must throw a TypeError whose message has `text`. */
export function throwsType(call, text, about = '') {
  const error = thrown(call, about);
  ok(error instanceof TypeError && error.message.includes(text),
    `${about}: expected a TypeError with "${text}", got ${error}`);
}

/** Waits for a promise, which must be rejected; gives a call that throws what it was rejected with. */
export async function rejected(promise, about = '') {
  let result;
  try {
    result = await promise;
  } catch (error) {
    return () => {
      throw error;
    };
  }
  throw new Error(`${about}${about && ': '}expected a rejection, got ${show(result)}`);
}

/** A checker of `HoltError`s by code and text of their message. */
export function holtErrors(HoltError) {
  return (call, code, text = '', about = '') => {
    const error = thrown(call, about);
    ok(error instanceof HoltError && error instanceof Error && error.name === 'HoltError',
      `${about}: expected a HoltError, got ${error?.stack ?? error}`);
    equal(error.code, code, `${about} code (${error.message})`);
    ok(error.message.includes(text), `${about}: "${error.message}" lacks "${text}"`);
    return error;
  };
}
