import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fc } from '../support/properties.ts';
import { atEveryAtomicStep } from './atomic-steps.ts';
import { type Action, RingModel } from './ring-model.ts';

/** Where cursors turn negative, where they wrap, and anywhere. */
const start = fc.oneof(
  fc.constantFrom(0, 2 ** 31 - 64, 2 ** 31 - 4096, 2 ** 32 - 8, 2 ** 32 - 64, 2 ** 32 - 4096, 2 ** 32 - 20_000),
  fc.nat(2 ** 29 - 1).map((position) => position * 8),
);
const size = fc.oneof(
  { weight: 3, arbitrary: fc.nat(64) },
  { weight: 3, arbitrary: fc.nat(1016) },
  { weight: 2, arbitrary: fc.integer({ min: 900, max: 1016 }) },
  { weight: 2, arbitrary: fc.integer({ min: 1017, max: 3 * 1016 }) },
);
const reader = fc.nat(3);
const write: fc.Arbitrary<Action> = fc.record({
  do: fc.constant('write' as const),
  size,
  excess: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(200) }),
  target: fc.nat(5),
});
const drain: fc.Arbitrary<Action> = fc.record({
  do: fc.constant('drain' as const),
  reader,
  maxRecords: fc.oneof(fc.integer({ min: 1, max: 4 }), fc.constant(1000)),
  maxBytes: fc.oneof(fc.integer({ min: 1, max: 2000 }), fc.constant(1 << 20)),
});
const coming: fc.Arbitrary<Action> = fc.record({ do: fc.constant('attend' as const), reader });
const going: fc.Arbitrary<Action> = fc.oneof(
  fc.record({ do: fc.constant('leave' as const), reader }),
  fc.record({ do: fc.constant('dismiss' as const), reader }),
);
const abandon: fc.Arbitrary<Action> = fc.record({ do: fc.constant('abandon' as const), size });
const flush: fc.Arbitrary<Action> = fc.constant({ do: 'flush' });

const action = fc.oneof(
  { weight: 10, arbitrary: write },
  { weight: 10, arbitrary: drain },
  { weight: 2, arbitrary: coming },
  { weight: 1, arbitrary: going },
  { weight: 1, arbitrary: abandon },
  { weight: 3, arbitrary: flush },
);
/** The time limit ends the search for a smaller counterexample. */
const limits = { numRuns: 1500, interruptAfterTimeLimit: 60_000 };
const scene = {
  readers: fc.integer({ min: 1, max: 4 }),
  start,
  spillBytes: fc.integer({ min: 0, max: 20_000 }),
  actions: fc.array(action, { minLength: 20, maxLength: 300, size: 'max' }),
  /** How many readers attend from the beginning. */
  early: fc.integer({ min: 0, max: 4 }),
};

test('whatever is written, read, left and attended in turn: nothing is torn, lost, doubled or reordered', () => {
  let delivered = 0;
  let spills = 0;
  fc.assert(
    fc.property(fc.record(scene), ({ actions, early, ...options }) => {
      const model = new RingModel(options);
      for (let index = 0; index < early; index++) model.run({ do: 'attend', reader: index });
      for (const each of actions) {
        model.run(each);
        model.checkNobodyIsStuck();
        if (model.spilledBytes > 0) spills += 1;
      }
      model.finish();
      delivered += model.delivered;
    }),
    limits,
  );
  assert.ok(delivered > 10_000 && spills > 10_000, `${delivered} records seen, ${spills} actions with a spill queue`);
});

test('whatever other threads do between any two atomic steps: nothing is torn, lost, doubled or reordered', () => {
  let delivered = 0;
  let nested = 0;
  const interruption = fc.option(fc.array(action, { maxLength: 8, size: 'max' }), { freq: 4 });
  const interrupted = fc.record({
    ...scene,
    actions: fc.array(action, { minLength: 20, maxLength: 120, size: 'max' }),
    interruptions: fc.array(interruption, { minLength: 20, maxLength: 600, size: 'max' }),
  });
  fc.assert(
    fc.property(interrupted, ({ actions, interruptions, early, ...options }) => {
      let next = 0;
      const step = (): void => {
        for (const other of interruptions[next++] ?? []) {
          nested += 1;
          model.run(other);
        }
      };
      const model = new RingModel({ ...options, step });
      for (let index = 0; index < early; index++) model.run({ do: 'attend', reader: index });
      const body = (): void => {
        for (const each of actions) {
          model.run(each);
          model.checkNobodyIsStuck();
        }
        model.finish();
      };
      atEveryAtomicStep(body, step, true);
      delivered += model.delivered;
    }),
    limits,
  );
  assert.ok(delivered > 10_000 && nested > 30_000, `${delivered} records seen, ${nested} interruptions`);
});
