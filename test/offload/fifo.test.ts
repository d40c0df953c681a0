import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Fifo } from '#dist/shared/base/fifo.js';
import { fc } from '../support/properties.ts';

interface Item {
  readonly n: number;
}

describe('a fifo', () => {
  it('behaves like an array that is pushed to and shifted from', () => {
    const steps = fc.array(
      fc.oneof(
        { weight: 4, arbitrary: fc.record({ do: fc.constant('push' as const), times: fc.nat(400) }) },
        { weight: 4, arbitrary: fc.record({ do: fc.constant('shift' as const), times: fc.nat(400) }) },
        { weight: 1, arbitrary: fc.record({ do: fc.constant('clear' as const), times: fc.constant(1) }) },
      ),
    );
    fc.assert(
      fc.property(steps, (actions) => {
        const fifo = new Fifo<Item>();
        let model: Item[] = [];
        let n = 0;
        for (const { do: what, times } of actions) {
          for (let i = 0; i < times; i++) {
            if (what === 'push') {
              n += 1;
              fifo.push({ n });
              model.push({ n });
            } else if (what === 'shift') {
              assert.deepEqual(fifo.first(), model[0]);
              assert.deepEqual(fifo.shift(), model.shift());
            } else {
              fifo.clear();
              model = [];
            }
          }
          assert.equal(fifo.length, model.length);
          assert.deepEqual(fifo.toArray(), model);
        }
      }),
      { numRuns: 300 },
    );
  });
});
