/** The API as an OpenAPI 3.1 document, made from the schemas by which requests are checked. */
import { z } from "zod";
import { VERSION } from "../version.js";
import * as api from "./schemas.js";

function schema(type: z.ZodType): object {
  const { $schema: _, ...rest } = z.toJSONSchema(type, { io: "output", unrepresentable: "any" });
  return rest;
}

function json(type: z.ZodType, description: string): object {
  return { description, content: { "application/json": { schema: schema(type) } } };
}

function events(type: z.ZodType, description: string): object {
  return { description, content: { "text/event-stream": { schema: schema(type) } } };
}

const ID = { name: "id", in: "path", required: true, schema: { type: "string" } };

function query(type: z.ZodObject): object[] {
  return Object.entries(type.shape).map(([name, field]) => {
    const { description, ...rest } = z.toJSONSchema(field, { io: "input", unrepresentable: "any" });
    const { $schema: _, ...own } = rest;
    return { name, in: "query", required: false, schema: own, ...(description && { description }) };
  });
}

/** What is asked and answered; `more`: parameters, or the body. */
function operation(summary: string, answer: object, more: object = { parameters: [ID] }): object {
  const problems = json(api.problemView, "Refused, with the reason");
  return { summary, ...more, responses: { "200": answer, "4XX": problems } };
}

function body(type: z.ZodType): object {
  const content = { "application/json": { schema: schema(type) } };
  return { requestBody: { required: true, content } };
}

/** To be done to a job. */
function action(summary: string): object {
  return operation(summary, json(api.actionView, "What the owner of the job says"));
}

/** For the page that OpenCode has started. */
function forUser(summary: string): string {
  return `${summary}. Only in the page that the job's OpenCode has started`;
}

export function openApiDocument(): object {
  const jobs = z.object({ jobs: z.array(api.jobView) });
  const changes = "Changes of all jobs, each at most once a second; Last-Event-ID is honoured";
  const changed = events(api.jobEvent, "Events job.updated, job.removed and reset");
  const asks = forUser("What a subagent asks its user, in full");
  const said = "What a subagent has said and which tools it has called, the newest of it";
  const confirms = "Confirms a token that is from a ticket by the code that OpenCode shows";
  const typed = { ...action(forUser("Types into a process")), ...body(api.writeBody) };
  const answered = { ...action(forUser("Answers what a subagent asks")), ...body(api.answerBody) };
  const ticket = { security: [], ...body(api.ticketBody) };
  const read = (what: string, answer: object, more?: object) => ({
    get: operation(what, answer, more),
  });
  const page = { parameters: [ID, ...query(api.outputQuery)] };
  const stream = { parameters: [ID, ...query(api.streamQuery)] };
  const pieces = events(api.streamPiece, "Events chunk and end");
  return {
    openapi: "3.1.0",
    info: { title: "Background jobs of OpenCode", version: VERSION },
    servers: [{ url: "http://127.0.0.1:{port}", variables: { port: { default: "4777" } } }],
    security: [{ token: [] }],
    components: { securitySchemes: { token: { type: "http", scheme: "bearer" } } },
    paths: {
      "/api/jobs": read("All jobs of this user, of all projects", json(jobs, "Jobs"), {
        parameters: query(api.jobsQuery),
      }),
      "/api/jobs/{id}": read("One job", json(api.jobView, "The job")),
      "/api/jobs/{id}/output": read(
        "Output of a process",
        json(api.outputView, "A page of it"),
        page,
      ),
      "/api/jobs/{id}/stream": read(
        "Output of the run that goes on, as it comes: chunks, then the end",
        pieces,
        stream,
      ),
      "/api/events": read(changes, changed, {}),
      "/api/jobs/{id}/stop": {
        post: action("Ends a process with its descendants; its record stays"),
      },
      "/api/jobs/{id}/terminate": { post: action("The same, and forgets record and output") },
      "/api/jobs/{id}/cancel": { post: action("Aborts a subagent with what it started") },
      "/api/jobs/{id}/restart": { post: action(forUser("Runs a process again, unchanged")) },
      "/api/jobs/{id}/write": { post: typed },
      "/api/jobs/{id}/request": read(asks, json(api.requestView, "A permission or questions")),
      "/api/jobs/{id}/answer": { post: answered },
      "/api/jobs/{id}/transcript": read(said, json(api.transcriptView, "Oldest first")),
      "/api/confirm": {
        post: operation(
          confirms,
          json(api.actionView, "It may do everything"),
          body(api.confirmBody),
        ),
      },
      "/api/ticket": {
        post: operation(
          "Exchanges the ticket of a link for a token, once",
          json(api.tokenView, "The token"),
          ticket,
        ),
      },
    },
  };
}
