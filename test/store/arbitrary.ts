/** Arbitrary values of a zod schema, so that property tests follow the record types by themselves. */
import * as fc from "fast-check";
import { z } from "zod";

export function arbitraryOf(schema: z.core.$ZodType): fc.Arbitrary<unknown> {
  if (schema instanceof z.ZodObject) {
    const entries = Object.entries(schema.shape).map(([key, field]) => [key, arbitraryOf(field)]);
    const optional = (key: string): boolean => schema.shape[key] instanceof z.ZodOptional;
    const requiredKeys = Object.keys(schema.shape).filter((key) => !optional(key));
    return fc.record<Record<string, unknown>>(Object.fromEntries(entries), { requiredKeys });
  }
  if (schema instanceof z.ZodOptional) return arbitraryOf(schema.unwrap());
  if (schema instanceof z.ZodUnion) {
    if (schema.options.some((option) => option instanceof z.ZodDate)) return date;
    return fc.oneof(...schema.options.map((option) => arbitraryOf(option)));
  }
  if (schema instanceof z.ZodArray) return fc.array(arbitraryOf(schema.element), { maxLength: 3 });
  if (schema instanceof z.ZodEnum) return fc.constantFrom(...schema.options);
  if (schema instanceof z.ZodLiteral) return fc.constantFrom(...schema.values);
  if (schema instanceof z.ZodString) return fc.string({ unit: "binary" });
  if (schema instanceof z.ZodBoolean) return fc.boolean();
  if (schema instanceof z.ZodNumber) {
    const numbers = schema.isInt
      ? fc.maxSafeInteger()
      : fc.double({ noNaN: true, noDefaultInfinity: true });
    // JSON has no negative zero.
    return numbers.filter((value) => schema.safeParse(value).success && !Object.is(value, -0));
  }
  throw new Error(`no arbitrary for ${schema._zod.def.type}`);
}

function dates(from: string, to: string): fc.Arbitrary<Date> {
  return fc.date({ min: new Date(from), max: new Date(to), noInvalidDate: true });
}

const date = fc.oneof(
  { weight: 50, arbitrary: dates("2020-01-01T00:00:00.000Z", "2040-01-01T00:00:00.000Z") },
  { weight: 1, arbitrary: dates("0000-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z") },
);

/** Fit to be an id of ours. */
export const jobID = fc.stringMatching(/^(bg|proc)_[0-9a-z]{10}$/);
