import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { z } from 'zod';
import type { EngineOptions } from '#dist/main/options/engine-options.js';
import { compileOptions, optionSchema } from '#dist/main/options/options.js';
import { type Row, readPage, tableRows } from '../support/doc-tables.ts';

/** As far as it matters here. */
interface JsonSchema {
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly additionalProperties?: JsonSchema | boolean;
  readonly anyOf?: readonly JsonSchema[];
}

/** Every option below a schema, by its path, with the default that the schema itself has. */
function optionsIn(schema: JsonSchema, path = ''): (readonly [path: string, standard: unknown])[] {
  const branches = [schema, ...(schema.anyOf ?? [])];
  return branches.flatMap(({ properties = {}, additionalProperties: each }) => {
    const named = Object.entries(properties).flatMap(([name, inner]) => {
      const where = path === '' ? name : `${path}.${name}`;
      return [[where, inner.default] as const, ...optionsIn(inner, where)];
    });
    return typeof each === 'object' ? [...named, ...optionsIn(each, `${path}[path]`)] : named;
  });
}

function valueAt(value: unknown, path: string): unknown {
  return path
    .split('.')
    .reduce<unknown>(
      (inner, key) => (typeof inner === 'object' && inner !== null ? Reflect.get(inner, key) : undefined),
      value,
    );
}

/** Options that are off by default, switched on: so their own options have defaults too. */
const switchedOn: EngineOptions = {
  security: {},
  compression: true,
  metrics: {},
  tls: { cert: 'PEM', key: 'PEM' },
};

function compiled(options: EngineOptions): object {
  const { config, ...main } = compileOptions(options);
  return { ...main, ...config };
}

/** Defaults that depend on the machine, on other options, or that would be a function. The page says them in words. */
const inWords: Readonly<Record<string, RegExp>> = {
  shards: /^one less than `os\.availableParallelism\(\)`, at least 1$/,
  maxShardBackpressureBytes: /^a quarter of the memory, divided by `shards`$/,
  'compression.thresholdBytes': /^1,024, or `maxMessageBytes` if that is less$/,
  'limits.connections': /^\[as many as there are descriptors for\]/,
  'offload.threads': /^the number of processors without main or a shard, at least 1$/,
  maxShardHeapBytes: /^70 % of what the runtime allows$/,
  logger: /^none: nothing is logged$/,
};

function literal(value: unknown): string {
  if (typeof value === 'string') return `'${value}'`;
  if (Array.isArray(value)) return `[${value.map(literal).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return String(value);
  const inner = Object.entries(value).map(([name, one]) => `${name}: ${literal(one)}`);
  return inner.length === 0 ? '{}' : `{ ${inner.join(', ')} }`;
}

/** How the page may write a default. */
function writings(standard: unknown): readonly string[] {
  if (standard === undefined) return ['none', 'required'];
  if (standard === null) return ['`null`', '`false`', 'none'];
  if (typeof standard === 'number') return [standard.toLocaleString('en-US'), String(standard)];
  if (typeof standard === 'boolean') return [`\`${standard}\``];
  const isGroup = typeof standard === 'object' && !Array.isArray(standard);
  return [`\`${literal(standard)}\``, ...(isGroup ? ['`{}`'] : [])];
}

function isWriting(cell: string, standard: unknown): boolean {
  // Something may follow that explains the default.
  return writings(standard).some(
    (text) => cell === text || (cell.startsWith(text) && /^\W/.test(cell.slice(text.length))),
  );
}

describe('docs/options.md', () => {
  const rowsOf = new Map<string, Row[]>();
  for (const row of tableRows(readPage('options.md'))) {
    const name = /^`([^`]+)`/.exec(row.get('option') ?? '')?.[1];
    if (name !== undefined) rowsOf.set(name, [...(rowsOf.get(name) ?? []), row]);
  }
  const known = new Map(optionsIn(z.toJSONSchema(optionSchema, { io: 'input', unrepresentable: 'any' }) as JsonSchema));
  const plain = compiled({});
  const full = compiled(switchedOn);

  test('has a row for every option, and for nothing else', () => {
    assert.ok(known.size > 90, `only ${known.size} options were found`);
    assert.deepEqual([...rowsOf.keys()].sort(), [...known.keys()].sort());
  });

  test('says the default of every option, as it is compiled', () => {
    for (const [path, inSchema] of known) {
      const standard = valueAt(plain, path) ?? valueAt(full, path) ?? inSchema;
      const expected = valueAt(plain, path) === null ? null : standard;
      for (const row of rowsOf.get(path) ?? []) {
        const cell = row.get('default') ?? '';
        const words = inWords[path];
        const isRight = words === undefined ? isWriting(cell, expected) : words.test(cell);
        assert.ok(isRight, `the default of ${path} is ${String(expected)}, and the page says "${cell}"`);
      }
    }
  });

  test("says what preset: 'public' sets, and nothing that it does not set", () => {
    const withPreset = compiled({ preset: 'public', open: true, security: {} });
    const without = compiled({ security: {} });
    const said = [...rowsOf].filter(([, rows]) => rows.some((row) => row.has("with `preset: 'public'`")));
    for (const [path, rows] of said) {
      const cell = rows.map((row) => row.get("with `preset: 'public'`") ?? '').join('');
      assert.ok(isWriting(cell, valueAt(withPreset, path)), `${path}: the page says "${cell}"`);
    }
    const changed = [...known.keys()].filter((path) => {
      const value = valueAt(withPreset, path);
      return (typeof value !== 'object' || value === null) && value !== valueAt(without, path);
    });
    assert.deepEqual(said.map(([path]) => path).sort(), changed.sort());
  });
});
