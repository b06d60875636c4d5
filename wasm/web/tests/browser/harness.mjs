// Runs registered tests one after the other and reports each to the server.

/** Sends one report; they arrive in order because each is awaited. */
export function report(message) {
  return fetch('/report', { method: 'POST', body: JSON.stringify(message) });
}

/** Runs what `register(test)` registers; gives how many passed and failed. */
export async function run(where, register) {
  const tests = [];
  register((name, body) => tests.push({ name: `${where}: ${name}`, body }));
  const counts = { passed: 0, failed: 0 };
  for (const { name, body } of tests) {
    const start = performance.now();
    const notes = [];
    let error;
    try {
      await body({ diagnostic: (text) => notes.push(text) });
    } catch (caught) {
      error = String(caught?.stack ?? caught);
    }
    counts[error === undefined ? 'passed' : 'failed'] += 1;
    const milliseconds = Math.round(performance.now() - start);
    await report({ type: 'test', name, error, notes, milliseconds });
  }
  return counts;
}
