import { z } from 'zod';
import type { EngineConfig } from '../../shared/config/config.ts';
import { optionNotAllowed } from './option-error.ts';
import { type Fields, urlPath } from './option-fields.ts';

/** A page that the engine serves by itself on its port. */
export interface PageOptions {
  /** Default `text/html; charset=utf-8`. */
  readonly contentType?: string;
  readonly body: string;
}

/** What the engine's port answers besides handshakes. */
export interface HttpOptions {
  readonly health?: { readonly live?: string; readonly ready?: string } | false;
  readonly pages?: Readonly<Record<string, PageOptions>>;
  /** Default false: everybody who reaches the port could read them. */
  readonly metrics?: { readonly path?: string } | false;
}

type HttpConfig = Pick<EngineConfig, keyof HttpOptions>;

const health = {
  live: urlPath.default('/healthz'),
  ready: urlPath.default('/readyz'),
} satisfies Fields<Exclude<NonNullable<HttpOptions['health']>, false>, Exclude<HttpConfig['health'], false>>;

const page = {
  contentType: z.string().default('text/html; charset=utf-8'),
  body: z.string(),
} satisfies Fields<PageOptions, HttpConfig['pages'][string]>;

export const httpFields: Fields<HttpOptions, HttpConfig> = {
  health: z.union([z.literal(false), z.strictObject(health)]).prefault({}),
  pages: z.record(urlPath, z.strictObject(page)).default({}),
  metrics: z.union([z.literal(false), z.strictObject({ path: urlPath.default('/metrics') })]).default(false),
};

/** Throws `ERR_OPTION_INVALID` if metrics have the path of something else: a path has one answer. */
export function checkMetricsPath({ metrics, health: probes, pages }: HttpConfig): void {
  if (metrics === false) return;
  const { path } = metrics;
  const isTaken = Object.hasOwn(pages, path) || (probes !== false && [probes.live, probes.ready].includes(path));
  if (isTaken) throw optionNotAllowed('metrics.path', path, 'a path that is neither one of health nor one of pages');
}

export function compileHttp({ health: probes, pages, metrics }: HttpConfig): HttpConfig {
  return { health: probes, pages, metrics };
}
