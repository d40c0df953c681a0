import { readFileSync } from 'node:fs';

const root = new URL('../../../', import.meta.url);

/** A page of the documentation, such as `options.md`. */
export function readPage(name: string): string {
  return readFileSync(new URL(`docs/${name}`, root), 'utf8');
}

/** One row of a table: its cells by the head of their column. */
export type Row = ReadonlyMap<string, string>;

function cellsOf(line: string): readonly string[] {
  return line
    .slice(1, -1)
    .split('|')
    .map((cell) => cell.trim());
}

/** Every row of every table of a page. No cell has a `|` of its own. */
export function tableRows(page: string): readonly Row[] {
  const rows: Row[] = [];
  let head: readonly string[] | null = null;
  for (const line of page.split('\n')) {
    if (!line.startsWith('|')) {
      head = null;
    } else if (head === null) {
      head = cellsOf(line);
    } else if (!line.startsWith('| ---')) {
      const cells = cellsOf(line);
      rows.push(new Map(head.map((name, at) => [name, cells[at] ?? ''])));
    }
  }
  return rows;
}
