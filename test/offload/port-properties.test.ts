import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { fc } from '../support/properties.ts';
import { until } from '../support/waiting.ts';
import { jobOf } from './offload-job.ts';
import { ok, PortBench } from './port-fixture.ts';

const at = fc.nat(1_000);
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('submit' as const), at }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('answer' as const), at }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('finish' as const), at }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('turn' as const), at }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('lose' as const), at }) },
);

describe('the offload port, in any order of events', () => {
  it('tells each job’s outcome once, never inside submit, and gives all room back', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 80 }), fc.boolean(), async (steps, closes) => {
        const bench = new PortBench({ maxQueue: 10 });
        const outcomes: number[] = [];
        const tickets: { finishNow(): void }[] = [];
        const answered = new Set<number>();
        for (const { do: what, at: where } of steps) {
          const place = bench.posted.length === 0 ? -1 : where % bench.posted.length;
          if (what === 'turn') await nextTurn();
          else if (what === 'submit') {
            const mine = outcomes.length;
            const ticket = bench.port.submit(jobOf('turn', mine), () => {
              outcomes[mine] = (outcomes[mine] ?? 0) + 1;
            });
            if (ticket === null) continue;
            assert.equal(outcomes.length, mine, 'told inside submit');
            outcomes[mine] = 0;
            tickets.push(ticket);
          } else if (place < 0) continue;
          else if (what === 'finish') {
            tickets[place]?.finishNow();
            assert.equal(outcomes[place], 1);
          } else {
            bench.answer(place, what === 'lose' ? null : ok);
            answered.add(place);
          }
          assert.ok(bench.board.offloadDepth <= 10);
          assert.ok(bench.port.pending <= bench.board.offloadDepth);
        }
        if (closes) bench.port.close();
        else
          for (let place = 0; place < bench.posted.length; place++) if (!answered.has(place)) bench.answer(place, ok);
        await until(() => bench.board.offloadDepth === 0, 'the jobs that came back');
        bench.assertSettled();
        for (const times of outcomes) assert.ok(closes ? times <= 1 : times === 1, `told ${times} times`);
        bench.port.close();
      }),
      { numRuns: 1_000 },
    );
  });
});
