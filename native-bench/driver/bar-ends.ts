import type { CustomSeriesOption } from 'echarts';
import type { Figure } from './statistics.ts';
import { say } from './words.ts';

const capHeight = 4;
const labelGap = 7;
const ink = '#24292f';

/**
 * What stands at the ends of horizontal bars: a whisker from the lowest to the highest value, unless there is only one,
 * and the median behind it.
 */
export function barEnds(figures: readonly Figure[], digits: number): CustomSeriesOption {
  return {
    type: 'custom',
    silent: true,
    z: 5,
    encode: { x: [0, 1], y: 2 },
    data: figures.map(({ min, max }, index) => [min, max, index]),
    renderItem: ({ dataIndex }, api) => {
      const figure = figures[dataIndex];
      if (figure === undefined) return null;
      const [left = 0, y = 0] = api.coord([figure.min, dataIndex]);
      const [right = 0] = api.coord([figure.max, dataIndex]);
      const line = (x1: number, y1: number, x2: number, y2: number) => ({
        type: 'line' as const,
        shape: { x1, y1, x2, y2 },
        style: { stroke: ink, lineWidth: 1 },
      });
      const whisker = [
        line(left, y, right, y),
        line(left, y - capHeight, left, y + capHeight),
        line(right, y - capHeight, right, y + capHeight),
      ];
      const label = {
        type: 'text' as const,
        style: {
          text: say(figure.median, digits),
          x: right + labelGap,
          y,
          fill: ink,
          fontSize: 11,
          verticalAlign: 'middle' as const,
        },
      };
      return { type: 'group', children: figure.count > 1 ? [...whisker, label] : [label] };
    },
  };
}
