import assert from 'node:assert/strict';

export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A page, read by the rules of the text format 0.0.4; whatever breaks one fails the test. */
export interface Page {
  readonly types: ReadonlyMap<string, string>;
  readonly samples: readonly Sample[];
}

const nameForm = '[a-z_:][a-z0-9_:]*';
const helpLine = new RegExp(`^# HELP (${nameForm}) (\\S.*)$`);
const typeLine = new RegExp(`^# TYPE (${nameForm}) (counter|gauge)$`);
const labelForm = '[a-z_][a-z0-9_]*="(?:[^"\\\\\\n]|\\\\["\\\\n])*"';
const sampleLine = new RegExp(
  `^(${nameForm})(?:\\{(${labelForm}(?:,${labelForm})*)\\})? (-?\\d+(?:\\.\\d+)?(?:e[+-]\\d+)?)$`,
);
const labelPair = /([a-z_][a-z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"/g;

/** Fails unless `text` is a well-formed page: each family once, help then type then its samples, no series twice. */
export function readPage(text: string): Page {
  assert.ok(text.endsWith('\n'), 'the last line ends');
  const types = new Map<string, string>();
  const helped = new Set<string>();
  const seen = new Set<string>();
  const samples: Sample[] = [];
  let family = '';
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const help = helpLine.exec(line);
    if (help !== null) {
      const [, name = ''] = help;
      assert.ok(!helped.has(name), `${name} is explained once`);
      helped.add(name);
      continue;
    }
    const type = typeLine.exec(line);
    if (type !== null) {
      const [, name = '', kind = ''] = type;
      assert.ok(helped.has(name) && !types.has(name), `${name} has its type once, after its help`);
      assert.equal(name.endsWith('_total'), kind === 'counter', `${name} is a ${kind}`);
      types.set(name, kind);
      family = name;
      continue;
    }
    const sample = sampleLine.exec(line);
    assert.ok(sample !== null, `a line that is none of the format: ${line}`);
    const [, name = '', labelText = '', value = ''] = sample;
    assert.equal(name, family, 'the samples of a family stand together');
    const labels = Object.fromEntries([...labelText.matchAll(labelPair)].map(([, key, what]) => [key, what]));
    const series = JSON.stringify([name, Object.entries(labels).sort()]);
    assert.ok(!seen.has(series), `${series} is there once`);
    seen.add(series);
    samples.push({ name, labels, value: Number(value) });
  }
  assert.deepEqual([...helped], [...types.keys()]);
  return { types, samples };
}

/** The sum of the samples that fit. */
export function sumOf(page: Page, name: string, labels: Readonly<Record<string, string>> = {}): number {
  const fitting = page.samples.filter(
    (sample) => sample.name === name && Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
  );
  return fitting.reduce((sum, sample) => sum + sample.value, 0);
}
