import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Timed, TimeWheel } from '#dist/worker/upkeep/time-wheel.js';
import { fc } from '../support/properties.ts';

class Item {
  dueAt = -1;
  /** Ticks at which it was due. */
  readonly dues: number[] = [];
  /** When it is to be due, by the model; -1: never. */
  expected = -1;
}

type Step =
  | { readonly do: 'schedule'; readonly item: number; readonly ticks: number }
  | { readonly do: 'cancel'; readonly item: number }
  | { readonly do: 'tick'; readonly times: number };

const itemCount = 8;
const item = fc.nat({ max: itemCount - 1 });
const steps = fc.array(
  fc.oneof(
    fc.record({ do: fc.constant('schedule' as const), item, ticks: fc.integer({ min: -1, max: 1_600 }) }),
    fc.record({ do: fc.constant('cancel' as const), item }),
    fc.record({ do: fc.constant('tick' as const), times: fc.integer({ min: 1, max: 700 }) }),
  ),
  { maxLength: 60 },
);

describe('the time wheel', () => {
  it('gives each item once, at its tick and not before, however far away that is', () => {
    fc.assert(
      fc.property(steps, (plan: readonly Step[]) => {
        const items = Array.from({ length: itemCount }, () => new Item());
        const wheel = new TimeWheel<Item>(10, (due) => {
          assert.equal(due.dueAt, -1);
          assert.equal(due.expected, wheel.now);
          due.expected = -1;
          due.dues.push(wheel.now);
        });
        for (const step of plan) {
          if (step.do === 'tick') {
            for (let i = 0; i < step.times; i++) {
              wheel.tick();
              for (const each of items) assert.ok(each.expected === -1 || each.expected > wheel.now);
            }
            continue;
          }
          const one = items[step.item] as Item;
          if (step.do === 'cancel') {
            wheel.cancel(one);
            one.expected = -1;
          } else {
            wheel.schedule(one, step.ticks);
            one.expected = wheel.now + Math.max(1, step.ticks);
          }
        }
      }),
    );
  });

  it('lets whoever is due take others out, and put itself back, also a whole turn later', () => {
    const items = Array.from({ length: 6 }, () => new Item());
    const [first, second, third] = items as [Item, Item, Item];
    const wheel = new TimeWheel<Item>(10, (due) => {
      due.dues.push(wheel.now);
      if (due === first) wheel.cancel(second);
      if (due === third && due.dues.length < 4) wheel.schedule(third, 512);
    });
    for (const each of items) wheel.schedule(each, 3);
    for (let i = 0; i < 3_000; i++) wheel.tick();
    assert.deepEqual(
      items.map(({ dues }) => dues),
      [[3], [], [3, 515, 1_027, 1_539], [3], [3], [3]],
    );
  });

  it('looks only at what is due: a tick touches none of the others', () => {
    let reads = 0;
    class Watched implements Timed {
      #due = -1;
      get dueAt(): number {
        reads += 1;
        return this.#due;
      }
      set dueAt(tick: number) {
        this.#due = tick;
      }
    }
    const wheel = new TimeWheel<Timed>(10, (due) => wheel.schedule(due, 100));
    for (let i = 0; i < 10_000; i++) wheel.schedule(new Watched(), 100 + (i % 100));
    reads = 0;
    for (let i = 0; i < 99; i++) wheel.tick();
    assert.equal(reads, 0);
    wheel.tick();
    assert.ok(reads > 0 && reads < 1_000, `${reads} reads for 100 items`);
  });

  it('runs on one timer, which stop ends', async () => {
    const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
    const before = timers();
    const due: number[] = [];
    await new Promise<void>((resolve) => {
      const wheel = new TimeWheel<Item>(1, () => {
        due.push(wheel.now);
        if (due.length < 1_000) return;
        wheel.stop();
        wheel.stop();
        resolve();
      });
      for (let i = 0; i < 1_000; i++) wheel.schedule(new Item(), 1 + (i % 10));
      wheel.start();
      wheel.start();
      assert.equal(timers(), before + 1);
    });
    assert.deepEqual(
      due,
      due.toSorted((a, b) => a - b),
    );
    assert.equal(timers(), before);
  });
});
