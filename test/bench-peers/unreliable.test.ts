import assert from 'node:assert/strict';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Campaign, runCampaign } from '../../native-bench/driver/campaign.ts';
import { type Contender, contendersFor } from '../../native-bench/driver/contenders.ts';
import { toMarkdown } from '../../native-bench/driver/markdown.ts';
import { scenariosFor } from '../../native-bench/driver/scenarios.ts';
import { heldUp } from '../support/steady-machine.ts';
import { buildLoadgen } from './loadgen.ts';

const isBuilt = buildLoadgen();
const skip = isBuilt ? heldUp : 'no C++ compiler';
const uws: Contender = contendersFor(2).get('uws') ?? assert.fail();

function unreliable(fault: string): Contender {
  const script = fileURLToPath(new URL('fixtures/unreliable-server.js', import.meta.url));
  return { ...uws, name: fault, title: `server that will ${fault}`, script, args: [fault] };
}

it('a server that drops deliveries is shown with its completeness and not ranked, one that ends has failed', {
  skip,
}, async () => {
  const scenario = scenariosFor(2).find(({ name }) => name === 'fanout-200') ?? assert.fail();
  const contenders = [uws, unreliable('drop'), unreliable('exit')];
  const campaign: Campaign = {
    name: 'unreliable',
    isQuick: true,
    rounds: 1,
    budgetMs: 60_000,
    thresholds: { stealPct: 100, foreignCpuPct: 1e6 },
    scenarios: [
      {
        ...scenario,
        connections: 20,
        warmupMs: 50,
        durationMs: 300,
        contenders: contenders.map(({ name }) => name),
        yardsticks: ['uws'],
      },
    ],
    contenders: new Map(contenders.map((contender) => [contender.name, contender])),
    runtimes: { bun: null },
    bunVersion: null,
    shardwireArgs: [],
    statements: [],
    onRun: () => undefined,
  };
  const results = await runCampaign(campaign);
  const [good, dropping, ending] = results.summaries[0]?.contenders ?? [];
  assert.deepEqual([good?.status, good?.completenessPct], ['ranked', 100]);

  assert.equal(dropping?.status, 'incomplete');
  const complete = dropping?.completenessPct ?? 0;
  assert.ok(complete > 0 && complete < 100, `${complete} %`);
  assert.deepEqual(dropping?.ratios, {});

  assert.equal(ending?.status, 'failed');
  assert.match(ending?.note ?? '', /the server ended with 3/);

  const markdown = toMarkdown(results, 2);
  const row = markdown.split('\n').find((line) => line.includes('server that will drop (incomplete)')) ?? '';
  const cells = row.split('|').map((cell) => cell.trim());
  assert.ok(cells.includes(`${complete} %`), row);
  // Nothing in its row looks like a rate.
  assert.equal(cells.filter((cell) => cell === '–').length, 6, row);
});
