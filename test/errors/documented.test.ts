import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { closeCode, type ErrorFacts, errorTable } from '#dist/shared/errors/index.js';
import { readPage, tableRows } from '../support/doc-tables.ts';

const page = readPage('errors.md');
const codes = Object.entries(errorTable);

/** The number of a code in the tables: `426, or 400`, `1002`, or nothing. */
function numberOf({ status, otherStatus, closeCode: close }: ErrorFacts): string {
  if (status === undefined) return close === undefined ? '' : String(close);
  return otherStatus === undefined ? String(status) : `${status}, or ${otherStatus}`;
}

/** How the text below a code's heading begins. */
function beginningOf(facts: ErrorFacts): string {
  const number = numberOf(facts);
  if (number === '') return '';
  return `${facts.status === undefined ? 'Close code' : 'Status'} ${number}`;
}

/** The text below each heading of the third level, by the heading. */
const sections = new Map(
  page
    .split(/^#{2,3} /m)
    .slice(1)
    .map((text) => [text.slice(0, text.indexOf('\n')), text.slice(text.indexOf('\n')).trim()]),
);

describe('docs/errors.md', () => {
  test('has a row for every code, with its meaning and its number', () => {
    const rows = tableRows(page).filter((row) => row.has('code'));
    const written = rows.map((row) => [
      row.get('code'),
      row.get('meaning'),
      row.get('status') ?? row.get('close code') ?? '',
    ]);
    const expected = codes.map(([code, facts]) => [
      `[\`${code}\`](#${code.toLowerCase()})`,
      facts.meaning,
      numberOf(facts),
    ]);
    assert.deepEqual(written, expected);
  });

  test('says under which head a number is: a status or a close code', () => {
    for (const row of tableRows(page)) {
      const code = /ERR_\w+/.exec(row.get('code') ?? '')?.[0] ?? '';
      const facts = codes.find(([name]) => name === code)?.[1];
      if (facts?.status !== undefined) assert.ok(row.has('status'), code);
      if (facts?.closeCode !== undefined) assert.ok(row.has('close code'), code);
    }
  });

  test('has a heading for every code and for no other, and its text begins with the number', () => {
    const headings = [...sections.keys()].filter((heading) => heading.startsWith('ERR_'));
    assert.deepEqual(headings.sort(), codes.map(([code]) => code).sort());
    for (const [code, facts] of codes) {
      const text = sections.get(code) ?? '';
      const beginning = beginningOf(facts);
      assert.ok(text.length > 20, `${code} has no text`);
      if (beginning !== '') assert.ok(text.startsWith(beginning), `${code} begins with "${text.slice(0, 40)}"`);
      else assert.doesNotMatch(text, /^(Status|Close code) \d/, code);
    }
  });

  test('has a heading for every close code, with its name', () => {
    const headings = [...sections.keys()].filter((heading) => /^\d{4} /.test(heading));
    assert.deepEqual(
      headings,
      Object.entries(closeCode).map(([name, code]) => `${code} ${name}`),
    );
  });

  test('lists codes by status: each at its own, and all but those of 400', () => {
    const listed: string[] = [];
    for (const row of tableRows(page).filter((one) => one.has('when'))) {
      for (const [code] of (row.get('when') ?? '').matchAll(/ERR_\w+/g)) listed.push(`${row.get('status')} ${code}`);
    }
    const expected = codes
      .flatMap(([code, { status, otherStatus }]) => [`${status} ${code}`, `${otherStatus} ${code}`])
      .filter((line) => !/^(undefined|400) /.test(line));
    assert.deepEqual(listed.sort(), expected.sort());
  });
});
