import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { Script } from 'node:vm';
import { demoPage } from '#dist/cli/demo-page.js';

function sourceIn(page: string, tag: string): string {
  const source = new RegExp(`<${tag}>([^]*?)</${tag}>`).exec(page)?.[1];
  assert.ok(source !== undefined);
  return source;
}

const page = demoPage({ path: '/ws' });

test('the script compiles, and writes no markup', () => {
  const source = sourceIn(page, 'script');
  assert.doesNotThrow(() => new Script(source));
  assert.doesNotMatch(source, /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b/);
});

test('the page allows its own script and style only', () => {
  const policy = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(page)?.[1] ?? '';
  assert.match(policy, /default-src 'none'/);
  assert.doesNotMatch(policy, /unsafe/);
  for (const tag of ['script', 'style']) {
    const hash = createHash('sha256').update(sourceIn(page, tag)).digest('base64');
    assert.ok(policy.includes(`${tag}-src 'sha256-${hash}'`), tag);
  }
});

test('the page loads nothing from elsewhere and has no inline handlers or styles', () => {
  assert.doesNotMatch(page, /\b(?:src|href)="(?!data:)/);
  assert.doesNotMatch(page, /<[^>]+\s(?:on\w+|style)=/);
});

test('every id that the script looks up is in the page, once', () => {
  const wanted = [...sourceIn(page, 'script').matchAll(/byId\('([\w-]+)'\)/g)].map(([, id]) => id);
  assert.ok(wanted.length > 10);
  for (const id of wanted) assert.equal(page.split(` id="${id}"`).length, 2, id);
});

test('a path cannot leave its attribute', () => {
  const hostile = demoPage({ path: '/"><script>alert(1)</script>' });
  assert.ok(hostile.includes('data-path="/&quot;>&lt;script>alert(1)&lt;/script>"'));
});
