// Checked by `tsc --noEmit`, never run: what must compile, and (each under `@ts-expect-error`)
// what must not.
import { buildInfo, HoltError, init, Tree } from 'holt-web';
import type { Batch, KeyEntry, KeyOnlyEntry, Page, PrefixEntry, Scan } from 'holt-web';

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <A, B>(_: Same<A, B>): void => {};

export async function sample(): Promise<void> {
  await init();
  await init(new URL('https://example.org/holt.wasm'));
  const limit: number = buildInfo().limits.keyBytes;
  using tree: Tree = Tree.memory();

  tree.put('key', new Uint8Array(limit));
  const value: Uint8Array | undefined = tree.get(new Uint8Array([1]));
  const version: bigint | undefined = tree.getRecord('key')?.version;
  const deleted: boolean = tree.delete('key');
  tree.rename('a', 'b');
  tree.rename('a', 'b', { force: true });
  const applied: boolean = tree.atomic((batch) => batch.put('a', 'b').delete('c'));
  tree.atomic([{ type: 'put', key: 'a', value: 'b' }, { type: 'delete', key: 'c' }]);
  tree.atomic((batch: Batch) => {
    const size: number = batch.size;
    void size;
  });

  const flat = tree.scan({ prefix: 'a', startAfter: 'ab', limit: 3 });
  same<typeof flat, Scan<KeyEntry>>(true);
  const rolled = tree.scan({ delimiter: '/' });
  same<typeof rolled, Scan<KeyEntry | PrefixEntry>>(true);
  const keys = tree.scanKeys();
  same<typeof keys, Scan<KeyOnlyEntry>>(true);
  const page = tree.page();
  same<typeof page, Page<KeyEntry>>(true);
  const keyPage = tree.page({ keysOnly: true, delimiter: 47 });
  same<typeof keyPage, Page<KeyOnlyEntry | PrefixEntry>>(true);

  for (const entry of rolled) {
    if (entry.type === 'prefix') void entry.prefix.length;
    else void (entry.value.length + Number(entry.version));
  }
  for await (const { key, value } of tree.scan()) void (key.length + value.length);
  const all: KeyEntry[] = [...tree.scan()];
  const next: Uint8Array | null = tree.page({ startAfter: all[0]?.key, maxBytes: 10 }).next;
  const clean: boolean = tree.verify().clean;
  const records: number = tree.stats().records;
  const more: boolean = tree.maintain(10);
  tree.compact();

  try {
    tree.free();
  } catch (error) {
    if (error instanceof HoltError && error.code === 'KEY_TOO_LONG') throw error;
  }
  void [value, version, deleted, applied, next, clean, records, more];

  // @ts-expect-error: a tree is not made by new
  new Tree();
  // @ts-expect-error: keys are bytes or strings
  tree.get(1);
  // @ts-expect-error: a value is needed
  tree.put('key');
  // @ts-expect-error: only known options
  tree.scan({ start_after: 'a' });
  // @ts-expect-error: keys-only entries have no value
  for (const { value } of tree.scanKeys()) void value;
  // @ts-expect-error: roll-ups have no key
  for (const { key } of tree.scan({ delimiter: '/' })) void key;
  // @ts-expect-error: a put has a value
  tree.atomic([{ type: 'put', key: 'a' }]);
  // @ts-expect-error: not a code
  if (new Error() instanceof HoltError && ({} as HoltError).code === 'KEY_TO_LONG') return;
}
