import assert from 'node:assert/strict';
import { it } from 'node:test';
import { figureOf, median, noiseOf, pairedRatios, spreadOf } from '../../native-bench/driver/statistics.ts';

const figure = (...values: number[]) => figureOf(values) ?? assert.fail('no values');

it('the median is the middle value, or between the two in the middle', () => {
  assert.equal(median([5, 1, 9]), 5);
  assert.equal(median([4, 1, 9, 2]), 3);
  assert.equal(median([7]), 7);
  assert.ok(Number.isNaN(median([])));
});

it('the median does not reorder what it is given', () => {
  const values = [3, 1, 2];
  median(values);
  assert.deepEqual(values, [3, 1, 2]);
});

it('a figure has the median and both ends, and there is none of nothing', () => {
  assert.deepEqual(figureOf([3, 1, 2]), { median: 2, min: 1, max: 3, count: 3 });
  assert.equal(figureOf([]), null);
});

it('ratios are taken within a round, and rounds that one side lacks give none', () => {
  const values = new Map([
    [0, 10],
    [1, 40],
    [3, 9],
  ]);
  const yardstick = new Map([
    [0, 5],
    [1, 20],
    [2, 1],
    [3, 0],
  ]);
  // A machine that is twice as slow in one round changes no ratio; the medians of each side would.
  assert.deepEqual(pairedRatios(values, yardstick), [2, 2]);
});

it('the noise of two runs is their spreads together, and never less than what any machine has', () => {
  assert.equal(spreadOf(figure(90, 100, 110)), 0.2);
  assert.equal(spreadOf(figure(0, 0)), 0);
  assert.equal(noiseOf(figure(90, 100, 110), figure(95, 100, 105), 0.1).toFixed(6), '0.300000');
  assert.equal(noiseOf(figure(100), figure(100), 0.1), 0.1);
});
