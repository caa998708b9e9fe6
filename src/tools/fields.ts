/** Arguments that several tools share. */
import { z } from "zod";
import { jobStatus } from "../jobs/status.js";
import { field } from "./define.js";

const tag = z.string().trim().min(1).max(100);

export const tags = field(z.array(tag).max(20).optional(), "a list of up to 20 short texts");

export const status = field(jobStatus.optional(), `one of ${jobStatus.options.join(", ")}`);

export const sessionId = field(
  z.string().min(1).max(200).optional(),
  "the id of a session (ses_…)",
  "Only jobs started by this session",
);

export function text(most: number, about?: string) {
  return field(requiredText(most), `a text of 1 to ${most.toLocaleString("en")} characters`, about);
}

export function optionalText(most: number, about?: string) {
  const expects = `a text of 1 to ${most.toLocaleString("en")} characters`;
  return field(requiredText(most).optional(), expects, about);
}

export function optionalFlag(about?: string) {
  return field(z.boolean().optional(), "true or false", about);
}

export function optionalInteger(least: number, most: number, about?: string) {
  const expects = `a whole number from ${least} to ${most.toLocaleString("en")}`;
  return field(z.number().int().min(least).max(most).optional(), expects, about);
}

export function id(prefix: string, most = 200) {
  return field(z.string().trim().min(1).max(most), `the id of a job (${prefix}_…)`);
}

export function optionalId(prefix: string) {
  return field(z.string().trim().min(1).max(200).optional(), `the id of a job (${prefix}_…)`);
}

function requiredText(most: number) {
  return z
    .string()
    .max(most)
    .refine((value) => value.trim().length > 0);
}
