import { type EChartsOption, init } from 'echarts';
import { barEnds } from './bar-ends.ts';
import { type Metric, metricsOf } from './metrics.ts';
import type { Results } from './results.ts';
import type { Family, Scenario } from './scenarios.ts';
import type { Figure } from './statistics.ts';
import type { ContenderSummary } from './summary.ts';

/** Two panels for each scenario, one below the other; sizes in pixels. */
const width = 1_000;
const panels = [
  { left: 210, width: 250 },
  { left: 710, width: 260 },
] as const;
const titleHeight = 62;
const barHeight = 26;
const rowGap = 26;

const ink = '#24292f';
const faint = '#6e7781';
const colours: readonly (readonly [prefix: string, colour: string])[] = [
  ['shardwire', '#2f6fde'],
  ['uws', '#8c959f'],
  ['ws', '#d4a72c'],
  ['socketio', '#a475f9'],
  ['bun', '#e5806b'],
];

function colourOf(contender: string): string {
  return colours.find(([prefix]) => contender.startsWith(prefix))?.[1] ?? faint;
}

interface Bar {
  readonly summary: ContenderSummary;
  readonly figure: Figure;
}

interface Panel {
  readonly metric: Metric;
  readonly bars: readonly Bar[];
}

/** The first two things that a scenario's table tells, of those servers that are ranked. */
function panelsOf(scenario: Scenario, contenders: readonly ContenderSummary[]): readonly Panel[] {
  return metricsOf(scenario)
    .slice(0, 2)
    .map((metric) => ({
      metric,
      bars: contenders.flatMap((summary) => {
        const figure = summary.figures[metric.name];
        return summary.status === 'ranked' && figure !== undefined ? [{ summary, figure }] : [];
      }),
    }));
}

interface Chart {
  titles: object[];
  grids: object[];
  xAxes: object[];
  yAxes: object[];
  series: object[];
  height: number;
}

function addPanel(chart: Chart, { metric, bars }: Panel, place: (typeof panels)[number], top: number): void {
  const index = chart.grids.length;
  const axes = { xAxisIndex: index, yAxisIndex: index };
  const better = metric.better === 'more' ? 'more is better' : 'less is better';
  chart.titles.push({
    text: `${metric.title} (${better})`,
    left: place.left,
    top: top + 26,
    padding: 0,
    textStyle: { color: faint, fontSize: 12, fontWeight: 'normal' },
  });
  chart.grids.push({ ...place, top: top + titleHeight - 16, height: bars.length * barHeight });
  // Bars begin at zero, and the longest leaves room for its label.
  const max = Math.max(...bars.map(({ figure }) => figure.max)) * 1.25;
  chart.xAxes.push({ type: 'value', gridIndex: index, min: 0, max, show: false });
  chart.yAxes.push({
    type: 'category',
    gridIndex: index,
    inverse: true,
    data: bars.map(({ summary }) => summary.title),
    axisTick: { show: false },
    axisLine: { lineStyle: { color: '#d0d7de' } },
    axisLabel: { color: ink, fontSize: 12, interval: 0 },
  });
  chart.series.push(
    {
      type: 'bar',
      ...axes,
      barWidth: 16,
      data: bars.map(({ summary, figure }) => ({
        value: figure.median,
        itemStyle: { color: colourOf(summary.contender) },
      })),
    },
    {
      ...barEnds(
        bars.map(({ figure }) => figure),
        metric.digits,
      ),
      ...axes,
    },
  );
}

function addScenario(chart: Chart, scenario: Scenario, contenders: readonly ContenderSummary[]): void {
  const drawn = panelsOf(scenario, contenders);
  const bars = Math.max(0, ...drawn.map((panel) => panel.bars.length));
  if (bars === 0) return;
  const top = chart.height;
  const textStyle = { color: ink, fontSize: 15 };
  chart.titles.push({ text: scenario.title, left: 16, top, padding: 0, textStyle });
  for (const [i, panel] of drawn.entries()) {
    const place = panels[i];
    if (place !== undefined && panel.bars.length > 0) addPanel(chart, panel, place, top);
  }
  chart.height += titleHeight + bars * barHeight + rowGap;
}

/** With a title, for those who do not see the picture. */
function titled(svg: string, title: string): string {
  return svg.replace(/^<svg [^>]*>/, (opening) => `${opening}<title>${title}</title>`);
}

/** One picture of all scenarios of a family, as SVG; null if nothing is ranked. Whiskers go from the lowest to the highest run. */
export function drawFamily(results: Results, family: Family): string | null {
  const chart: Chart = { titles: [], grids: [], xAxes: [], yAxes: [], series: [], height: 16 };
  for (const scenario of results.scenarios) {
    if (scenario.family !== family) continue;
    const summary = results.summaries.find((each) => each.scenario === scenario.name);
    addScenario(chart, scenario, summary?.contenders ?? []);
  }
  if (chart.grids.length === 0) return null;
  const option: EChartsOption = {
    animation: false,
    backgroundColor: '#ffffff',
    title: chart.titles,
    grid: chart.grids,
    xAxis: chart.xAxes,
    yAxis: chart.yAxes,
    series: chart.series as NonNullable<EChartsOption['series']>,
  };
  const drawing = init(null, null, { renderer: 'svg', ssr: true, width, height: chart.height });
  try {
    drawing.setOption(option);
    return titled(drawing.renderToSVGString(), `shardwire and others: ${family}`);
  } finally {
    drawing.dispose();
  }
}
