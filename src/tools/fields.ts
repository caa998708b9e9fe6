/** Arguments that several tools share. */
import { z } from "zod";
import { jobStatus } from "../jobs/status.js";
import { field } from "./define.js";

const tag = z.string().trim().min(1).max(100);
const anId = z.string().trim().min(1).max(200);

/** As the model sees them, without bounds. */
const shownText = z.string();
const shownList = z.array(z.string()).optional();

export const tags = field(z.array(tag).max(20).optional(), "a list of up to 20 short texts", {
  shown: shownList,
});

export const status = field(jobStatus.optional(), `one of ${jobStatus.options.join(", ")}`);

export const sessionId = field(
  z.string().min(1).max(200).optional(),
  "the id of a session (ses_…)",
  { shown: shownText.optional() },
);

export function text(most: number, about?: string) {
  return field(requiredText(most), textOf(most), { shown: shownText, about });
}

export function optionalText(most: number, about?: string) {
  const shown = shownText.optional();
  return field(requiredText(most).optional(), textOf(most), { shown, about });
}

export function optionalFlag(about?: string) {
  return field(z.boolean().optional(), "true or false", { about });
}

export function optionalInteger(least: number, most: number, about?: string) {
  const expects = `a whole number from ${least} to ${most.toLocaleString("en")}`;
  const shown = z.number().optional();
  return field(z.number().int().min(least).max(most).optional(), expects, { shown, about });
}

export function id(prefix: string) {
  return field(anId, `the id of a job (${prefix}_…)`, { shown: shownText });
}

export function optionalId(prefix: string, about?: string) {
  const shown = shownText.optional();
  return field(anId.optional(), `the id of a job (${prefix}_…)`, { shown, about });
}

function textOf(most: number): string {
  return `a text of 1 to ${most.toLocaleString("en")} characters`;
}

function requiredText(most: number) {
  return z
    .string()
    .max(most)
    .refine((value) => value.trim().length > 0);
}
