import assert from 'node:assert/strict';
import { it } from 'node:test';
import { type Contender, contendersFor } from '../../native-bench/driver/contenders.ts';
import { defaultThresholds, disturbanceOf } from '../../native-bench/driver/disturbance.ts';
import type { RunRecord } from '../../native-bench/driver/run-record.ts';
import { type Scenario, scenariosFor } from '../../native-bench/driver/scenarios.ts';
import { type ContenderSummary, summarize } from '../../native-bench/driver/summary.ts';
import { reportOf, runOf } from './report-fixture.ts';

const all = contendersFor(2);
const contenders: readonly Contender[] = ['uws', 'ws', 'shardwire-json'].map((name) => all.get(name) ?? assert.fail());
const scenario: Scenario = scenariosFor(2).find(({ name }) => name === 'echo-64') ?? assert.fail();

function summaryOf(runs: readonly RunRecord[], name: string): ContenderSummary {
  const { contenders: summaries } = summarize(scenario, contenders, runs, new Map([['ws', 'ws is not here']]));
  return summaries.find(({ contender }) => contender === name) ?? assert.fail();
}

const rate = (perSecond: number) => reportOf({ rate_per_s: perSecond });

it('ratios are medians of pairs, not pairs of medians', () => {
  // The second round was twice as slow for both.
  const runs = [
    runOf('uws', 0, rate(100)),
    runOf('uws', 1, rate(50)),
    runOf('uws', 2, rate(100)),
    runOf('shardwire-json', 0, rate(80)),
    runOf('shardwire-json', 1, rate(45)),
    runOf('shardwire-json', 2, rate(90)),
  ];
  const ours = summaryOf(runs, 'shardwire-json');
  assert.equal(ours.status, 'ranked');
  assert.deepEqual(ours.figures.rate, { median: 80, min: 45, max: 90, count: 3 });
  assert.deepEqual(ours.ratios['uws']?.rate, { median: 0.9, min: 0.8, max: 0.9, count: 3 });
  assert.equal(summaryOf(runs, 'uws').ratios['uws'], undefined);
});

it('disturbed runs do not count, and are counted', () => {
  const disturbed: RunRecord = { ...runOf('uws', 0, rate(10)), disturbance: 'steal' };
  const runs = [disturbed, { ...runOf('uws', 0, rate(100)), attempt: 1 }, runOf('uws', 1, rate(110))];
  const { kept, leftOut, figures } = summaryOf(runs, 'uws');
  assert.deepEqual([kept, leftOut, figures.rate?.min], [2, 1, 100]);
});

it('a contender whose every run was disturbed has no figures and says why', () => {
  const { status, note, figures } = summaryOf([{ ...runOf('uws', 0, rate(10)), disturbance: 'steal of 9 %' }], 'uws');
  assert.equal(status, 'disturbed');
  assert.match(note ?? '', /steal of 9 %/);
  assert.deepEqual(figures, {});
});

it('one run with missing answers takes a contender out of the ranking', () => {
  const runs = [
    runOf('uws', 0, rate(100)),
    runOf('shardwire-json', 0, rate(100)),
    runOf('shardwire-json', 1, reportOf({ completeness_pct: 99.9 })),
  ];
  const ours = summaryOf(runs, 'shardwire-json');
  assert.deepEqual([ours.status, ours.completenessPct], ['incomplete', 99.9]);
  assert.deepEqual(ours.ratios, {});
});

it('lost connections and wrong answers are failures, whatever the rate', () => {
  const errors = { connect: 0, handshake: 0, protocol: 0, closed: 2 };
  assert.equal(summaryOf([runOf('uws', 0, reportOf({ errors }))], 'uws').status, 'failed');
  const { status, note } = summaryOf([runOf('uws', 0, reportOf({ unexpected: 3 }))], 'uws');
  assert.equal(status, 'failed');
  assert.match(note ?? '', /3 messages/);
});

it('whoever was not there is in the table with the reason', () => {
  const { status, note, kept } = summaryOf([], 'ws');
  assert.deepEqual([status, note, kept], ['unavailable', 'ws is not here', 0]);
});

it('the bottleneck is the server, the load generator or neither', () => {
  const busy = (cpu_s: number, client_cpu_share: number) => {
    const { server } = reportOf();
    return summaryOf([runOf('uws', 0, reportOf({ server: { ...server, cpu_s }, client_cpu_share }))], 'uws').bottleneck;
  };
  assert.equal(busy(0.95, 0.95), 'server');
  assert.equal(busy(0.5, 0.95), 'client');
  assert.equal(busy(0.5, 0.5), 'neither');
});

it('steal and foreign CPU above the thresholds disturb a run, at them they do not', () => {
  const { stealPct, foreignCpuPct } = defaultThresholds;
  const judged = (steal: number, foreign: number) =>
    disturbanceOf(reportOf({ machine: { steal_pct: steal, foreign_cpu_pct: foreign } }), defaultThresholds);
  assert.equal(judged(stealPct, foreignCpuPct), null);
  assert.match(judged(stealPct + 1, 0) ?? '', /steal/);
  assert.match(judged(0, foreignCpuPct + 1) ?? '', /other programs/);
});
