import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { readCommandLine, UsageError } from '../../native-bench/driver/command-line.ts';
import { contendersFor } from '../../native-bench/driver/contenders.ts';
import { scenariosFor } from '../../native-bench/driver/scenarios.ts';
import { type Selection, select } from '../../native-bench/driver/selection.ts';

function selectionOf(...args: readonly string[]): Selection {
  const command = readCommandLine(args);
  if (command.do !== 'run') assert.fail(command.do);
  return select(command, 2);
}

const namesOf = ({ scenarios }: Selection) => scenarios.map(({ name, contenders }) => [name, ...contenders]);

describe('the command line of the driver', () => {
  const cases: readonly (readonly [args: readonly string[], complaint: RegExp])[] = [
    [['--scenario', 'echo-65'], /--scenario: there is no "echo-65"; there are: echo-64, /],
    [['--peer', 'nobody'], /--peer: there is no "nobody"/],
    [['--scenario', 'fanout-mixed', '--peer', 'bun'], /none of these scenarios has any of these peers/],
    [['--rounds', '0'], /--rounds: a number of at least 1/],
    [['--rounds', '1.5'], /--rounds: a whole number/],
    [['--slow-us', ''], /--slow-us: a number/],
    [['--name', '../up'], /--name: no file name/],
    [['--what'], /--what/],
    [['echo-64'], /unexpected: echo-64/],
    [['--compare', 'one.json'], /--compare: two JSON files/],
  ];
  for (const [args, complaint] of cases) {
    it(`refuses ${args.join(' ')}`, () => {
      assert.throws(
        () => selectionOf(...args),
        (error) => error instanceof UsageError && complaint.test(error.message),
      );
    });
  }

  it('ends with code 2 and one line for what it refuses', () => {
    const driver = fileURLToPath(new URL('../../native-bench/driver/index.js', import.meta.url));
    const args = ['--compare', 'none.json', 'neither.json'];
    const { status, stderr } = spawnSync(process.execPath, [driver, ...args], { encoding: 'utf8' });
    assert.equal(status, 2);
    assert.match(stderr, /^none\.json holds no results that can be read: [^\n]+\n$/);
  });

  it('a peer brings all its contenders, and each scenario its first yardstick', () => {
    assert.deepEqual(namesOf(selectionOf('--scenario', 'echo-64', '--peer', 'shardwire')), [
      ['echo-64', 'uws', 'shardwire-json', 'shardwire-msgpack', 'shardwire-protobuf', 'shardwire-flatbuffers'],
    ]);
    assert.deepEqual(namesOf(selectionOf('--scenario', 'fanout-sealed', '--peer', 'shardwire-sealed')), [
      ['fanout-sealed', 'shardwire-json', 'shardwire-sealed'],
    ]);
  });

  it('the quick run is a part of the full one', () => {
    const full = new Map(selectionOf().scenarios.map((scenario) => [scenario.name, scenario]));
    const quick = selectionOf('--quick').scenarios;
    assert.ok(quick.length > 5 && quick.length < full.size);
    for (const { name, contenders } of quick) {
      const more: readonly string[] = full.get(name)?.contenders ?? [];
      assert.ok(contenders.every((contender) => more.includes(contender)));
    }
  });
});

for (const cores of [1, 2, 8]) {
  it(`scenarios for ${cores} processors name contenders that exist, and yardsticks that take part`, () => {
    const known = contendersFor(cores);
    for (const { name, contenders, yardsticks } of scenariosFor(cores)) {
      for (const contender of contenders) assert.ok(known.has(contender), `${name}: ${contender}`);
      for (const yardstick of yardsticks) assert.ok(contenders.includes(yardstick), `${name}: ${yardstick}`);
    }
  });
}

it('a machine with too few processors for shards and load generator is told apart from a large one', () => {
  const statementFor = (cores: number) => scenariosFor(cores).find(({ name }) => name === 'shards')?.statement;
  assert.match(statementFor(2) ?? '', /too small to tell: 2 shards/);
  assert.match(statementFor(8) ?? '', /too small to tell: 8 shards/);
  assert.doesNotMatch(statementFor(8) ?? '', /2 shards/);
});
