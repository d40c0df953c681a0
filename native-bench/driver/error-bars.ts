import type { CustomSeriesOption } from 'echarts';
import type { Figure } from './statistics.ts';

const capHeight = 4;

/** A whisker for each bar of a horizontal bar chart, from the lowest to the highest value. */
export function errorBars(figures: readonly Figure[]): CustomSeriesOption {
  return {
    type: 'custom',
    silent: true,
    z: 5,
    encode: { x: [0, 1], y: 2 },
    data: figures.map(({ min, max }, index) => [min, max, index]),
    renderItem: (_params, api) => {
      const [left = 0, y = 0] = api.coord([api.value(0), api.value(2)]);
      const [right = 0] = api.coord([api.value(1), api.value(2)]);
      const line = (x1: number, y1: number, x2: number, y2: number) => ({
        type: 'line' as const,
        shape: { x1, y1, x2, y2 },
        style: { stroke: '#24292f', lineWidth: 1 },
      });
      return {
        type: 'group',
        children: [
          line(left, y, right, y),
          line(left, y - capHeight, left, y + capHeight),
          line(right, y - capHeight, right, y + capHeight),
        ],
      };
    },
  };
}
