/** Arguments that several tools share. */
import { z } from "zod";
import { jobStatus } from "../jobs/status.js";
import { grouped } from "../text.js";
import { field } from "./define.js";

const tag = () => z.string().trim().min(1).max(100);
const anId = () => z.string().trim().min(1).max(200);

/** As the model sees them, without bounds. */
const shownText = z.string();
const shownOptionalText = shownText.optional();
const shownOptionalNumber = z.number().optional();
const shownOptionalFlag = z.boolean().optional();
const shownOptionalList = z.array(shownText).optional();

/** What a model plainly means by a value of another form is taken for it; everything else stays as it came. */
function numberOf(value: unknown): unknown {
  return typeof value === "string" && /^\d{1,9}$/u.test(value) ? Number(value) : value;
}

function flagOf(value: unknown): unknown {
  return value === "true" ? true : value === "false" ? false : value;
}

function listOf(value: unknown): unknown {
  return typeof value === "string" ? [value] : value;
}

function onlyOf(value: unknown): unknown {
  return Array.isArray(value) && value.length === 1 ? value[0] : value;
}

/** An empty list says the same as none. */
const someTags = () =>
  z
    .preprocess(listOf, z.array(tag()).max(20).optional())
    .transform((all) => (all?.length ? all : undefined));

export const tags = field(someTags, "a list of up to 20 short texts", { shown: shownOptionalList });

export const status = field(
  () => z.preprocess(onlyOf, jobStatus.optional()),
  `one of ${jobStatus.options.join(", ")}`,
  { shown: jobStatus.optional() },
);

export const sessionId = field(
  () => z.string().min(1).max(200).optional(),
  "the id of a session (ses_…)",
  { shown: shownOptionalText },
);

export function text(most: number, about?: string) {
  return field(() => requiredText(most), textOf(most), { shown: shownText, about });
}

export function optionalText(most: number, about?: string) {
  const shown = shownOptionalText;
  return field(() => requiredText(most).optional(), textOf(most), { shown, about });
}

export function optionalFlag(about?: string) {
  const accepted = () => z.preprocess(flagOf, shownOptionalFlag);
  return field(accepted, "true or false", { shown: shownOptionalFlag, about });
}

export function optionalInteger(least: number, most: number, about?: string) {
  const expects = `a whole number from ${least} to ${grouped(most)}`;
  const accepted = () => z.preprocess(numberOf, z.number().int().min(least).max(most).optional());
  return field(accepted, expects, { shown: shownOptionalNumber, about });
}

export function id(prefix: string) {
  return field(anId, `the id of a job (${prefix}_…)`, { shown: shownText });
}

export function optionalId(prefix: string, about?: string) {
  const shown = shownOptionalText;
  return field(() => anId().optional(), `the id of a job (${prefix}_…)`, { shown, about });
}

function textOf(most: number): string {
  return `a text of 1 to ${grouped(most)} characters`;
}

function requiredText(most: number) {
  return z
    .string()
    .max(most)
    .refine((value) => value.trim().length > 0);
}
