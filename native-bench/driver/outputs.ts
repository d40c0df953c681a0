import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { drawFamily } from './charts.ts';
import { UsageError } from './command-line.ts';
import { toMarkdown } from './markdown.ts';
import { type Results, results } from './results.ts';
import type { Family } from './scenarios.ts';

const families: readonly Family[] = ['echo', 'fan-out', 'inside', 'connections'];
const beginMark = '<!-- bench:peers begin -->';
const endMark = '<!-- bench:peers end -->';

/** Writes `<name>.json`, `<name>.md` and a picture per family. Gives the files' paths. */
export async function writeResults(run: Results, folder: string): Promise<readonly string[]> {
  await mkdir(folder, { recursive: true });
  const written: string[] = [];
  const write = async (name: string, text: string): Promise<void> => {
    const path = join(folder, name);
    await writeFile(path, text);
    written.push(path);
  };
  await write(`${run.name}.json`, `${JSON.stringify(run, null, 1)}\n`);
  const pictures: string[] = [];
  for (const family of families) {
    const svg = drawFamily(run, family);
    if (svg === null) continue;
    const name = `${run.name}-${family}.svg`;
    await write(name, svg);
    pictures.push(`![${family}](${name})`);
  }
  const title = `# Benchmark ${run.name}`;
  await write(`${run.name}.md`, [title, toMarkdown(run, 2).trimEnd(), ...pictures].join('\n\n').concat('\n'));
  return written;
}

/** The text with the tables in place of what stands between its two marks. */
export function withTables(page: string, tables: string): string {
  const begin = page.indexOf(beginMark);
  const end = page.indexOf(endMark);
  if (begin < 0 || end < begin) throw new Error(`the page has no "${beginMark}" before "${endMark}"`);
  return `${page.slice(0, begin + beginMark.length)}\n\n${tables.trim()}\n\n${page.slice(end)}`;
}

export async function writeDocs(run: Results, path: string): Promise<void> {
  await writeFile(path, withTables(await readFile(path, 'utf8'), toMarkdown(run, 3)));
}

/** Throws `UsageError` for what is no result of the driver. */
export async function readResults(path: string): Promise<Results> {
  try {
    return results.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    throw new UsageError(`${path} holds no results that can be read: ${text.slice(0, 300)}`);
  }
}
