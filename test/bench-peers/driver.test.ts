import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { withTables } from '../../native-bench/driver/outputs.ts';
import { type Results, results } from '../../native-bench/driver/results.ts';
import { heldUp } from '../support/steady-machine.ts';
import { buildLoadgen } from './loadgen.ts';

const driver = fileURLToPath(new URL('../../native-bench/driver/index.js', import.meta.url));
const isBuilt = buildLoadgen();
const skip = isBuilt ? heldUp : 'no C++ compiler';

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function drive(...args: readonly string[]): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(process.execPath, [driver, ...args], (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

describe('the driver', { skip }, () => {
  let folder = '';
  const file = (name: string): string => join(folder, `${name}.json`);
  const read = async (name: string): Promise<Results> => results.parse(JSON.parse(await readFile(file(name), 'utf8')));
  const measure = (name: string, ...more: readonly string[]): Promise<Ended> =>
    drive(
      ...['--scenario', 'echo-64', '--peer', 'shardwire-json', '--rounds', '2', '--duration-ms', '200'],
      // Other tests run beside this one.
      ...['--max-steal', '100', '--max-foreign', '100000', '--out', folder, '--name', name, ...more],
    );

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'bench-peers-'));
    const { code, stderr } = await measure('usual');
    assert.equal(code, 0, stderr);
  });
  after(() => rm(folder, { recursive: true, force: true }));

  it('writes JSON, tables and pictures of what it measured', async () => {
    const run = await read('usual');
    assert.deepEqual(
      run.scenarios.map(({ name }) => name),
      ['echo-64'],
    );
    assert.deepEqual(
      run.summaries[0]?.contenders.map(({ contender, status }) => [contender, status]),
      [
        ['uws', 'ranked'],
        ['shardwire-json', 'ranked'],
      ],
    );
    const ours = run.summaries[0]?.contenders[1] ?? assert.fail();
    assert.deepEqual([ours.kept, ours.leftOut, ours.completenessPct], [2, 0, 100]);
    assert.ok(ours.sentBytes > 64 && ours.receivedBytes > 64);
    assert.ok((ours.figures.rate?.min ?? 0) > 0 && (ours.figures.cpuUs?.min ?? 0) > 0);
    assert.equal(ours.ratios['uws']?.rate?.count, 2);
    assert.equal(run.versions.node, process.versions.node);
    assert.deepEqual((await readdir(folder)).filter((name) => name.startsWith('usual')).sort(), [
      'usual-echo.svg',
      'usual.json',
      'usual.md',
    ]);
    assert.match(
      await readFile(join(folder, 'usual.md'), 'utf8'),
      /\| shardwire, JSON \| 89 B \/ 121 B \| 100 % \| [\d,]+ \(/,
    );
    const picture = await readFile(join(folder, 'usual-echo.svg'), 'utf8');
    assert.match(picture, /^<svg [^>]*><title>shardwire and others: echo<\/title>/);
    assert.match(picture, />shardwire, JSON</);
  });

  it('alternates: each odd round in the reverse order of the even ones', async () => {
    const { runs } = await read('usual');
    assert.deepEqual(
      runs.map(({ contender, round }) => `${contender} ${round}`),
      ['uws 0', 'shardwire-json 0', 'shardwire-json 1', 'uws 1'],
    );
  });

  it('agrees with itself, and notices an engine that was slowed down', async () => {
    const same = await drive('--compare', file('usual'), file('usual'));
    assert.equal(same.code, 0, same.stdout);
    assert.equal((await measure('slowed', '--slow-us', '1000')).code, 0);
    assert.match((await read('slowed')).statements.join(' '), /slowed down by 1000 µs/);
    const { code, stdout } = await drive('--compare', file('usual'), file('slowed'));
    assert.equal(code, 1, stdout);
    assert.match(stdout, /SLOWER: echo-64, shardwire-json, cpuUs against uws/);
  });

  it('an engine that no longer answers everything is worse than a slow one', async () => {
    const run = await read('usual');
    const lost: Results = {
      ...run,
      summaries: run.summaries.map((summary) => ({
        ...summary,
        contenders: summary.contenders.map((each) =>
          each.contender === 'uws' ? each : { ...each, status: 'incomplete', completenessPct: 99 },
        ),
      })),
    };
    await writeFile(file('lost'), JSON.stringify(lost));
    const { code, stdout } = await drive('--compare', file('usual'), file('lost'));
    assert.equal(code, 1);
    assert.match(stdout, /LOST: echo-64, shardwire-json, rate/);
  });
});

it('tables go between the marks of a page and leave the rest alone', () => {
  const page = 'before\n<!-- bench:peers begin -->\nold\n<!-- bench:peers end -->\nafter\n';
  const written = withTables(page, 'new\n');
  assert.equal(written, 'before\n<!-- bench:peers begin -->\n\nnew\n\n<!-- bench:peers end -->\nafter\n');
  assert.equal(withTables(written, 'new'), written);
  assert.throws(() => withTables('no marks', 'new'), /the page has no/);
});
