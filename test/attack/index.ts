import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { attacks } from './attacks.ts';
import { cannotRun } from './cannot-run.ts';
import { runAttack } from './run-attack.ts';

/** `npm run attack`: every attack for `--seconds` each (default 8), or those whose names contain a word given. */
const { values, positionals } = parseArgs({ options: { seconds: { type: 'string' } }, allowPositionals: true });
const seconds = Number(values.seconds ?? 8);
if (!(seconds > 0 && seconds <= 60)) {
  console.error(`--seconds is ${values.seconds}; allowed: a number above 0, at most 60`);
  process.exit(2);
}
const chosen = attacks.filter(
  ({ name }) => positionals.length === 0 || positionals.some((word) => name.includes(word)),
);
if (chosen.length === 0) {
  console.error(
    `no attack is called ${positionals.join(' ')}; there are: ${attacks.map(({ name }) => name).join(', ')}`,
  );
  process.exit(2);
}

const table = new Table({
  head: ['attack', 'others served', 'longest wait', 'counted'],
  style: { head: [], border: [] },
});
for (const attack of chosen) {
  const reason = cannotRun(attack);
  if (reason !== null) {
    table.push([attack.name, 'skipped', '', reason]);
    continue;
  }
  process.stderr.write(`${attack.name} …\n`);
  try {
    const { served, worstMs, counted } = await runAttack(attack, seconds * 1_000);
    const list = Object.entries(counted).map(([name, value]) => `${name} ${value}`);
    table.push([attack.name, `${served} times`, `${Math.round(worstMs)} ms`, list.join('\n')]);
  } catch (error) {
    process.exitCode = 1;
    table.push([attack.name, 'FAILED', '', error instanceof Error ? error.message : String(error)]);
  }
}
console.log(table.toString());
