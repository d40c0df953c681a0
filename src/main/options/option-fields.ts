import { z } from 'zod';

/** A type whose optional fields may also be written as undefined, at every depth: zod types its inputs this way. */
type Written<T> = T extends readonly (infer Item)[]
  ? readonly Written<Item>[]
  : T extends object
    ? { readonly [Name in keyof T]: Written<T[Name]> | undefined }
    : T;

/**
 * The schemas of a group of options, by name. An object of this type does not compile if an option of `Options` has no
 * schema, if a schema has no option, or if a schema takes or gives a value of another type.
 */
export type Fields<Options, Checked extends Readonly<Record<keyof Options, unknown>>> = {
  readonly [Name in keyof Options]-?: z.ZodType<Checked[Name], Written<Options[Name]> | undefined>;
};

/** A whole number within bounds. */
export function whole(least: number, most: number): z.ZodNumber {
  return z.number().int().min(least).max(most);
}

/** A path that the engine serves something at. */
export const urlPath: z.ZodString = z
  .string()
  .regex(/^\/[^\s?#*:]*$/, 'a path that begins with / and has no ?, #, *, : or space');
