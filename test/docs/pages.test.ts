import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { describe, test } from 'node:test';

const root = new URL('../../../', import.meta.url);
const pages = [
  'README.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  'native-bench/loadgen/README.md',
  ...readdirSync(new URL('docs/', root)).map((name) => `docs/${name}`),
];
const { files } = JSON.parse(textOf('package.json')) as { files: readonly string[] };

/** Folders whose paths the pages name. What is under build/ and dist/ is made, not kept. */
const namedPath = /(?<![\w./-])(?:src|docs|test|scripts|examples|native-bench)\/[\w./-]*[\w/]/g;
/** Names that the pages make up, for commands that write or compare files. */
const invented = new Set(['native-bench/results/a.json', 'native-bench/results/b.json']);

function textOf(path: string): string {
  return readFileSync(new URL(path, root), 'utf8');
}

function exists(path: string): boolean {
  return existsSync(new URL(path, root));
}

/** A pattern of `files` in package.json: a path, or one with `*` for part of a name. A folder stands for all that is in it. */
function formOf(pattern: string): RegExp {
  const form = pattern
    .replace(/\/\*\*.*$/, '')
    .replaceAll('.', '\\.')
    .replaceAll('*', '[^/]*');
  return new RegExp(`^${form}(?:/|$)`);
}

const packed = [/^(?:package\.json|README\.md|LICENSE)$/, ...files.map(formOf)];

interface Link {
  readonly path: string;
  readonly anchor: string | undefined;
}

/** Links of a page to files of the repository. Code blocks have none. */
function linksOf(page: string): Link[] {
  const prose = textOf(page).replaceAll(/^```[\s\S]*?^```/gm, '');
  const targets = Array.from(prose.matchAll(/\]\(([^)\s]+)\)/g), ([, target]) => target ?? '');
  return targets
    .filter((target) => !/^[a-z]+:/.test(target))
    .map((target) => {
      const [path = '', anchor] = target.split('#');
      return { path: path === '' ? page : posix.join(posix.dirname(page), path), anchor };
    });
}

/** The anchors that GitHub gives to the headings of a page. */
function anchorsOf(page: string): Set<string> {
  const seen = new Map<string, number>();
  const anchors = new Set<string>();
  const prose = textOf(page).replaceAll(/^```[\s\S]*?^```/gm, '');
  for (const [, heading = ''] of prose.matchAll(/^#+ (.+)$/gm)) {
    const plain = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase();
    const base = plain.replaceAll(/[^\p{L}\p{N}_ -]/gu, '').replaceAll(' ', '-');
    const times = seen.get(base) ?? 0;
    seen.set(base, times + 1);
    anchors.add(times === 0 ? base : `${base}-${times}`);
  }
  return anchors;
}

describe('pages', () => {
  for (const page of pages) {
    test(`${page}: every link leads to a file that is in the package, and to a heading of it`, () => {
      for (const { path, anchor } of linksOf(page)) {
        assert.ok(exists(path), `${path} does not exist`);
        assert.ok(
          packed.some((form) => form.test(path)),
          `${path} is not in the package`,
        );
        if (anchor !== undefined) assert.ok(anchorsOf(path).has(anchor), `${path} has no heading #${anchor}`);
      }
    });
  }

  for (const page of pages.filter((name) => name !== 'CHANGELOG.md')) {
    test(`${page}: every path that it names exists`, () => {
      for (const [path] of textOf(page).matchAll(namedPath)) {
        assert.ok(invented.has(path) || exists(path), `${path} does not exist`);
      }
    });
  }
});

describe('the package', () => {
  test('has a source in each of its source maps', () => {
    const maps = readdirSync(new URL('dist/', root), { recursive: true, encoding: 'utf8' });
    for (const name of maps.filter((name) => name.endsWith('.js.map'))) {
      const { sourcesContent } = JSON.parse(textOf(`dist/${name}`)) as { sourcesContent?: readonly unknown[] };
      assert.equal(typeof sourcesContent?.[0], 'string', name);
    }
  });
});
