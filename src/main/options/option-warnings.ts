import type { CompiledOptions } from './options.ts';

/** Warnings about options that have no effect or carry a risk: lines for the log at the start. */
export function optionWarnings({ config }: Pick<CompiledOptions, 'config'>): readonly string[] {
  const { security, compression } = config;
  if (security === null) return [];
  const warnings: string[] = [];
  if (security.forgeable.length > 0) {
    const forms = security.forgeable.join(', ');
    warnings.push(`option "security.forgeable" (${forms}): who records sealed messages can pass them off as others`);
  }
  if (security.isKeyed && compression !== null) {
    warnings.push('option "compression" has no effect: messages are sealed; "security.compress" deflates them before');
  }
  return warnings;
}
