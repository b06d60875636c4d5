// What happens after a trap. In a file, and so a process, of its own: nothing works afterwards.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import { Database, HoltError, Tree } from '../pkg/node.js';
import { home } from '../pkg/lib/home.js';

test('a trap stops the module with one clear error', async () => {
  let other = Tree.memory();
  other.put('k', 'v');
  const scan = other.scan();
  const snapshot = other.snapshot();
  const database = Database.memory();
  const tree = Tree.memory();
  const trap = new WebAssembly.RuntimeError('unreachable');
  const { put } = home.glue.Engine.prototype;
  home.glue.Engine.prototype.put = () => {
    throw trap;
  };
  const stopped = (error) => error instanceof HoltError && error.code === 'ENGINE_STOPPED'
    && error.cause === trap && error.message.includes('unreachable') && error.message.includes('reload');
  assert.throws(() => tree.put('k', 'v'), stopped);
  home.glue.Engine.prototype.put = put;
  const calls = [
    () => tree.put('k', 'v'), () => other.get('k'), () => scan.next(), () => Tree.memory(),
    () => other.stats(), () => other.atomic([]), () => other.rename('a', 'b'), () => other.page(),
    () => snapshot.get('k'), () => other.snapshot(), () => other.changesSince(0n), () => other.lastLsn(),
    () => other.deletePrefix('k'), () => database.createTree('t'), () => database.atomic([]),
    () => Database.memory(),
  ];
  for (const call of calls) assert.throws(call, stopped);
  tree.free();
  assert.throws(() => tree.get('k'), (error) => error.code === 'TREE_FREED');

  // Nor does collecting what is left call into the module.
  let frees = 0;
  home.glue.Engine.prototype.free = () => {
    frees += 1;
  };
  other = undefined;
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  await new Promise((resolve) => {
    setTimeout(resolve, 10);
  });
  assert.equal(frees, 0);
});
