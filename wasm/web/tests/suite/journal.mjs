// The recovery journal: a chain of envelopes, each written together with its batch.
import { equal, holtErrors, throwsType } from './check.mjs';
import { bytes } from './model.mjs';
import { Random } from './random.mjs';

const at = (sequence) => ({ sequence: BigInt(sequence), digest: new Uint8Array(32).fill(sequence) });
const link = (sequence, payload = `envelope ${sequence}`) => ({
  previous: at(sequence - 1), current: at(sequence), payload,
});
const put = (key, value) => (batch) => batch.put('t', key, value);

function journaled(Database, first = 0) {
  const database = Database.memory();
  database.createTree('t');
  equal(database.initializeJournalStream(at(first)), undefined);
  return database;
}

/** All envelopes after a cursor, page by page. */
function all(database, cursor, options) {
  const envelopes = [];
  let page = { next: cursor, more: true };
  while (page.more) {
    page = database.journalEnvelopesAfter(page.next, options);
    envelopes.push(...page.envelopes);
  }
  return envelopes;
}

function chain(test, { Database, HoltError }) {
  const throwsHolt = holtErrors(HoltError);

  test('a chain of envelopes is written with its batches and read back', () => {
    const database = journaled(Database, 5);
    equal(database.journalState(), { genesis: at(5), checkpoint: at(5), tail: at(5) });
    equal(database.initializeJournalStream(at(5)), undefined, 'the same again is fine');
    throwsHolt(() => database.initializeJournalStream(at(6)), 'JOURNAL_ANCHOR_MISMATCH');
    for (let sequence = 6; sequence <= 15; sequence += 1) {
      equal(database.atomicWithJournalEnvelope(link(sequence), put(`k${sequence}`, 'v')), true);
    }
    equal(database.journalState().tail, at(15));
    const expected = Array.from({ length: 10 }, (_, index) => {
      const envelope = link(index + 6);
      return { ...envelope, payload: bytes(envelope.payload) };
    });
    equal(all(database, at(5)), expected);
    equal(all(database, at(5), { limit: 3 }), expected);
    equal(all(database, at(5), { maxBytes: 25 }), expected);
    equal(database.journalEnvelopesAfter(at(12), { limit: 2 }), {
      envelopes: expected.slice(7, 9), next: at(14), more: true,
    });
    equal(database.journalEnvelopesAfter(at(5), { maxBytes: 1 }).envelopes.length, 1, 'one at least');
    equal(database.journalEnvelopesAfter(at(15)), { envelopes: [], next: at(15), more: false });
    throwsHolt(() => database.journalEnvelopesAfter(at(16)), 'JOURNAL_ANCHOR_MISMATCH');
    throwsHolt(() => database.journalEnvelopesAfter({ ...at(12), digest: new Uint8Array(32) }), 'JOURNAL_ANCHOR_MISMATCH');
    throwsHolt(() => database.journalEnvelopesAfter(at(4)), 'JOURNAL_POSITION_EXPIRED', 'checkpoint');
    equal(database.openTree('t').prefixCount('k').count, 10);
    equal([database.listTrees(), database.verify().clean], [['t'], true]);
  });

  test('of two writers at one anchor one wins', () => {
    const database = journaled(Database);
    equal(database.atomicWithJournalEnvelope(link(1, 'mine'), put('k', 'mine')), true);
    throwsHolt(() => database.atomicWithJournalEnvelope(link(1, 'yours'), put('k', 'yours')), 'JOURNAL_ANCHOR_MISMATCH');
    throwsHolt(() => database.atomicWithJournalEnvelope(link(3), put('k', 'later')), 'JOURNAL_ANCHOR_MISMATCH');
    equal(database.openTree('t').get('k'), bytes('mine'));
    equal(all(database, at(0)).map(({ payload }) => payload), [bytes('mine')]);
  });

  test('a failed guard or batch leaves no envelope', () => {
    const database = journaled(Database);
    equal(database.atomicWithJournalEnvelope(link(1), [
      { type: 'put', tree: 't', key: 'k', value: 'v' }, { type: 'assertAbsent', tree: 't', key: 'k' },
    ]), false);
    throwsHolt(() => database.atomicWithJournalEnvelope(link(1), (batch) => batch.put('t', 'k', '').rename('t', 'x', 'y')),
      'NOT_FOUND');
    for (const idle of [[], [{ type: 'assertAbsent', tree: 't', key: 'k' }]]) {
      throwsHolt(() => database.atomicWithJournalEnvelope(link(1), idle), 'INVALID_ARGUMENT', 'change something');
    }
    throwsHolt(() => database.atomicWithJournalEnvelope(link(1), (batch) => batch.put('nobody', 'k', 'v')), 'TREE_NOT_FOUND');
    equal(database.journalState().tail, at(0));
    equal(database.openTree('t').has('k'), false);
    equal(database.atomicWithJournalEnvelope(link(1), put('k', 'v')), true, 'the next one still fits');
  });

  test('nobody goes round a journal, and without one there is none', async () => {
    const plain = Database.memory();
    plain.createTree('t').put('k', 'v');
    for (const call of [
      () => plain.journalState(), () => plain.journalEnvelopesAfter(at(0)),
      () => plain.atomicWithJournalEnvelope(link(1), put('k', 'v')),
    ]) throwsHolt(call, 'JOURNAL_STREAM_UNAVAILABLE', 'initialize');
    const database = journaled(Database);
    const tree = database.openTree('t');
    for (const call of [
      () => tree.put('k', 'v'), () => tree.atomic((batch) => batch.put('k', 'v')), () => tree.putMany([['k', 'v']]),
      () => database.atomic(put('k', 'v')),
    ]) throwsHolt(call, 'JOURNAL_STREAM_UNAVAILABLE');
    const error = await database.installCheckpoint(plain.exportCheckpoint()).catch((caught) => caught);
    equal([error instanceof HoltError, error.code], [true, 'JOURNAL_STREAM_UNAVAILABLE']);
    equal(tree.has('k'), false);
  });

  test('a checkpoint takes envelopes over', () => {
    const database = journaled(Database);
    for (const sequence of [1, 2, 3]) database.atomicWithJournalEnvelope(link(sequence), put(`k${sequence}`, 'v'));
    database.checkpoint();
    equal(database.journalState(), { genesis: at(0), checkpoint: at(3), tail: at(3) });
    throwsHolt(() => database.journalEnvelopesAfter(at(2)), 'JOURNAL_POSITION_EXPIRED');
    database.atomicWithJournalEnvelope(link(4), put('k4', 'v'));
    equal(all(database, at(3)).length, 1);
    equal(database.openTree('t').prefixCount('k').count, 4);
  });

  test('random chains agree with a list', () => {
    const random = new Random(5);
    const database = journaled(Database);
    const [model, list] = [new Map(), []];
    let floor = 0;
    for (let step = 0; step < 400; step += 1) {
      const next = link(list.length + 1, new Uint8Array(1 + random.next(3000)).fill(step));
      const key = `k${random.next(50)}`;
      const absent = random.next(3) === 0;
      const done = database.atomicWithJournalEnvelope(next, (batch) => {
        if (absent) batch.putIfAbsent('t', key, String(step));
        else batch.put('t', key, String(step));
      });
      equal(done, !(absent && model.has(key)), `step ${step}`);
      if (done) {
        model.set(key, String(step));
        list.push(next);
      }
      if (random.next(100) === 0) {
        database.checkpoint();
        floor = list.length;
      }
      const from = floor + random.next(list.length - floor + 1);
      const limit = 1 + random.next(20);
      equal(database.journalEnvelopesAfter(at(from), { limit }).envelopes, list.slice(from, from + limit), `step ${step}`);
    }
    equal(Object.fromEntries(Array.from(database.openTree('t').scan(), ({ key, value }) =>
      [new TextDecoder().decode(key), new TextDecoder().decode(value)])),
    Object.fromEntries([...model].sort()));
    equal(database.verify().clean, true);
  });
}

function inputs(test, { Database, HoltError, buildInfo }) {
  const throwsHolt = holtErrors(HoltError);
  const { limits } = buildInfo();

  test('digests have 32 bytes and payloads at most 16 MiB', () => {
    equal([limits.journalDigestBytes, limits.journalRecordBytes], [32, 16 << 20]);
    const database = journaled(Database);
    for (const length of [0, 31, 33, 64]) {
      const anchor = { sequence: 0n, digest: new Uint8Array(length) };
      throwsHolt(() => Database.memory().initializeJournalStream(anchor), 'INVALID_ARGUMENT', '32 bytes');
      throwsHolt(() => database.journalEnvelopesAfter(anchor), 'INVALID_ARGUMENT', 'cursor');
      throwsHolt(() => database.atomicWithJournalEnvelope({ ...link(1), previous: anchor }, put('k', 'v')), 'INVALID_ARGUMENT', 'previous');
    }
    const large = new Uint8Array(limits.journalRecordBytes - (1 << 20)).fill(7);
    equal(database.atomicWithJournalEnvelope(link(1, large), put('k', 'v')), true);
    equal(database.journalEnvelopesAfter(at(0)).envelopes[0].payload, large);
    throwsHolt(() => database.atomicWithJournalEnvelope(link(2, new Uint8Array(limits.journalRecordBytes + 1)), put('k', 'w')),
      'INVALID_ARGUMENT', 'split it');
    throwsHolt(() => database.atomicWithJournalEnvelope(link(2, new Uint8Array(limits.journalRecordBytes)),
      (batch) => {
        for (let key = 0; key < 15; key += 1) batch.put('t', `k${key}`, new Uint8Array(1 << 20));
      }), 'WAL_RECORD_TOO_LARGE', 'split');
    throwsHolt(() => database.atomicWithJournalEnvelope(link(2, ''), put('k', 'w')), 'INVALID_ARGUMENT', 'empty');
    equal([database.journalState().tail, database.openTree('t').get('k')], [at(1), bytes('v')]);
  });

  test('anchors and envelopes of a wrong kind are refused', () => {
    const database = journaled(Database);
    for (const wrong of [undefined, null, 5, 'x', true]) {
      throwsType(() => database.initializeJournalStream(wrong), 'genesis');
      throwsType(() => database.journalEnvelopesAfter(wrong), 'cursor');
      throwsType(() => database.atomicWithJournalEnvelope(wrong, put('k', 'v')), 'envelope');
      throwsType(() => database.atomicWithJournalEnvelope({ ...link(1), previous: wrong }, put('k', 'v')), 'previous');
      throwsType(() => database.atomicWithJournalEnvelope({ ...link(1), current: wrong }, put('k', 'v')), 'current');
      throwsType(() => database.atomicWithJournalEnvelope(link(1), wrong), 'batch');
      throwsType(() => database.journalEnvelopesAfter({ ...at(0), digest: wrong }), 'digest');
      throwsType(() => database.journalEnvelopesAfter({ ...at(0), sequence: wrong }), 'sequence');
      if (wrong !== 'x' && wrong !== undefined) {
        throwsType(() => database.atomicWithJournalEnvelope(link(1, wrong), put('k', 'v')), 'payload');
      }
    }
    for (const sequence of [-1n, 2n ** 64n]) {
      throwsHolt(() => database.journalEnvelopesAfter({ ...at(0), sequence }), 'INVALID_ARGUMENT', 'sequence');
    }
    for (const sequence of [0, 2, 200]) {
      throwsHolt(() => database.atomicWithJournalEnvelope({ ...link(1), current: at(sequence) }, put('k', 'v')),
        'INVALID_ARGUMENT', 'one more');
    }
    for (const wrong of [0, -1, 0.5, NaN]) {
      throwsHolt(() => database.journalEnvelopesAfter(at(0), { limit: wrong }), 'INVALID_ARGUMENT', 'limit');
      throwsHolt(() => database.journalEnvelopesAfter(at(0), { maxBytes: wrong }), 'INVALID_ARGUMENT', 'maxBytes');
    }
    throwsType(() => database.journalEnvelopesAfter(at(0), { rows: 1 }), 'no option');
    equal(database.journalEnvelopesAfter(at(0), { limit: Infinity, maxBytes: 2 ** 52 }).envelopes, []);
    equal(database.journalState().tail, at(0));
  });

  test('anchors and payloads are copied in and out', () => {
    const database = journaled(Database);
    const envelope = link(1, bytes('payload'));
    equal(database.atomicWithJournalEnvelope(envelope, (batch) => {
      batch.put('t', 'k', 'v');
      envelope.payload.fill(0);
      envelope.current.digest.fill(0);
    }), true);
    const page = database.journalEnvelopesAfter(at(0));
    equal(page.envelopes[0], { previous: at(0), current: at(1), payload: bytes('payload') });
    page.next.digest.fill(0);
    page.envelopes[0].payload.fill(0);
    equal(page.envelopes[0].current, at(1), 'arrays of their own');
    equal(all(database, at(0))[0].payload, bytes('payload'));
    database.free();
    for (const call of [
      () => database.initializeJournalStream(at(0)), () => database.journalState(),
      () => database.atomicWithJournalEnvelope(link(2), []), () => database.journalEnvelopesAfter(at(0)),
    ]) throwsHolt(call, 'DATABASE_FREED');
  });

  test('a database freed by the function of its batch says so', () => {
    const database = journaled(Database);
    throwsHolt(() => database.atomicWithJournalEnvelope(link(1), () => database.free()), 'DATABASE_FREED');
  });
}

export function journal(test, holt) {
  chain(test, holt);
  inputs(test, holt);
}
