import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HeapBrake } from '#dist/worker/upkeep/heap-brake.js';

const limitBytes = 100_000_000;

/** A heap whose size the test says; `kept` is what a collection leaves. */
class ToldHeap {
  readonly limitBytes = limitBytes;
  used = 0;
  kept = 0;
  looks = 0;
  collections = 0;
  collectMs = 0;
  now = 0;

  usedBytes(): number {
    this.looks += 1;
    return this.used;
  }

  collect = (): void => {
    this.collections += 1;
    this.now += this.collectMs;
    this.used = this.kept;
  };

  fill(used: number, kept: number = used): void {
    this.used = used;
    this.kept = kept;
  }
}

interface Told {
  readonly heap: ToldHeap;
  readonly brake: HeapBrake;
  readonly vitals: { heapKeptBytes: number };
  readonly changes: boolean[];
  readonly ends: number[];
}

function brakeOf(): Told {
  const heap = new ToldHeap();
  const vitals = { heapKeptBytes: 0 };
  const changes: boolean[] = [];
  const ends: number[] = [];
  const brake = new HeapBrake({
    heap,
    vitals,
    now: () => heap.now,
    changed: (isOn) => changes.push(isOn),
    exhausted: (used) => ends.push(used),
  });
  return { heap, brake, vitals, changes, ends };
}

describe('the brake of a shard whose heap fills', () => {
  it('is off while there is room, and collects nothing', () => {
    const { heap, brake, changes } = brakeOf();
    heap.fill(74_000_000);
    brake.look();
    assert.deepEqual([brake.isOn, heap.collections, changes], [false, 0, []]);
  });

  it('does not take garbage for what stays: it collects first', () => {
    const { heap, brake, vitals, changes, ends } = brakeOf();
    heap.fill(95_000_000, 30_000_000);
    brake.look();
    assert.deepEqual(
      [brake.isOn, heap.collections, vitals.heapKeptBytes, changes, ends],
      [false, 1, 30_000_000, [], []],
    );
  });

  it('goes on above three quarters, and off again once there is room, and is told once each time', () => {
    const { heap, brake, changes, ends } = brakeOf();
    heap.fill(76_000_000);
    brake.look();
    brake.look();
    assert.equal(brake.isOn, true);
    heap.fill(60_000_000);
    brake.look();
    assert.equal(brake.isOn, false);
    assert.deepEqual([changes, ends], [[true, false], []]);
  });

  it('ends the shard, once, when a collection leaves more than four fifths', () => {
    const { heap, brake, ends } = brakeOf();
    heap.fill(81_000_000);
    brake.look();
    heap.fill(97_000_000);
    heap.now += 1_000;
    brake.look();
    assert.deepEqual(ends, [81_000_000]);
  });

  it('collects for at most about a tenth of the time, except close to the end', () => {
    const { heap, brake, ends } = brakeOf();
    heap.collectMs = 100;
    heap.fill(78_000_000);
    for (let ms = 0; ms < 11_000; ms += 10) {
      heap.now += 10;
      brake.look();
    }
    assert.ok(heap.collections >= 8 && heap.collections <= 12, `${heap.collections}`);
    // Right after a collection, and not to be put off: what came since may be the end.
    heap.fill(96_000_000, 94_000_000);
    brake.look();
    assert.deepEqual(ends, [94_000_000]);
  });

  it('looks by itself after so much has come that little can have happened between two looks', () => {
    const { heap, brake } = brakeOf();
    heap.fill(90_000_000);
    let messages = 0;
    while (!brake.isOn) {
      brake.grew(300);
      messages += 1;
    }
    assert.ok(messages <= 32, `${messages} messages before the first look`);
    heap.fill(10_000_000);
    const looks = heap.looks;
    for (let i = 0; i < 10_000; i++) brake.grew(300);
    assert.ok(heap.looks - looks <= 400, `${heap.looks - looks} looks at 10,000 messages`);
    const before = heap.looks;
    brake.grew(limitBytes / 100);
    assert.equal(heap.looks, before + 1, 'one large message is worth a look');
  });
});
