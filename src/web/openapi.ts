/** The API as an OpenAPI 3.1 document, made from the schemas by which requests are checked. */
import { z } from "zod";
import { VERSION } from "../version.js";
import {
  actionView,
  answerBody,
  confirmBody,
  jobEvent,
  jobsQuery,
  jobView,
  outputQuery,
  outputView,
  problemView,
  requestView,
  streamPiece,
  streamQuery,
  ticketBody,
  tokenView,
  transcriptView,
  writeBody,
} from "./schemas.js";

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
const PROBLEMS = { "4XX": json(problemView, "Refused, with the reason") };

function query(type: z.ZodObject): object[] {
  return Object.entries(type.shape).map(([name, field]) => {
    const { description, ...rest } = z.toJSONSchema(field, { io: "input", unrepresentable: "any" });
    const { $schema: _, ...own } = rest;
    return { name, in: "query", required: false, schema: own, ...(description && { description }) };
  });
}

/** For the page that OpenCode has started. */
function forUser(summary: string, body?: z.ZodType): object {
  return {
    summary: `${summary}. Only in the page that the job's OpenCode has started`,
    parameters: [ID],
    ...(body && { requestBody: content(body) }),
    responses: { "200": json(actionView, "What the owner of the job says"), ...PROBLEMS },
  };
}

function content(type: z.ZodType): object {
  return { required: true, content: { "application/json": { schema: schema(type) } } };
}

function action(summary: string): object {
  return {
    post: {
      summary,
      parameters: [ID],
      responses: { "200": json(actionView, "What the owner of the job says"), ...PROBLEMS },
    },
  };
}

export function openApiDocument(): object {
  return {
    openapi: "3.1.0",
    info: { title: "Background jobs of OpenCode", version: VERSION },
    servers: [{ url: "http://127.0.0.1:{port}", variables: { port: { default: "4777" } } }],
    security: [{ token: [] }],
    components: { securitySchemes: { token: { type: "http", scheme: "bearer" } } },
    paths: {
      "/api/jobs": {
        get: {
          summary: "All jobs of this user, of all projects",
          parameters: query(jobsQuery),
          responses: { "200": json(z.object({ jobs: z.array(jobView) }), "Jobs"), ...PROBLEMS },
        },
      },
      "/api/jobs/{id}": {
        get: {
          summary: "One job",
          parameters: [ID],
          responses: { "200": json(jobView, "The job"), ...PROBLEMS },
        },
      },
      "/api/jobs/{id}/output": {
        get: {
          summary: "Output of a process",
          parameters: [ID, ...query(outputQuery)],
          responses: { "200": json(outputView, "A page of it"), ...PROBLEMS },
        },
      },
      "/api/jobs/{id}/stream": {
        get: {
          summary: "Output of a process as it comes: chunks, then the end",
          parameters: [ID, ...query(streamQuery)],
          responses: { "200": events(streamPiece, "Events chunk and end"), ...PROBLEMS },
        },
      },
      "/api/events": {
        get: {
          summary: "Changes of all jobs, each at most once a second; Last-Event-ID is honoured",
          responses: {
            "200": events(jobEvent, "Events job.updated, job.removed and reset"),
            ...PROBLEMS,
          },
        },
      },
      "/api/jobs/{id}/stop": action("Ends a process with its descendants; its record stays"),
      "/api/jobs/{id}/terminate": action("The same, and forgets record and output"),
      "/api/jobs/{id}/cancel": action("Aborts a subagent with what it started"),
      "/api/jobs/{id}/restart": { post: forUser("Runs a process again, unchanged") },
      "/api/jobs/{id}/write": { post: forUser("Types into a process", writeBody) },
      "/api/jobs/{id}/request": {
        get: {
          ...forUser("What a subagent asks its user, in full"),
          responses: { "200": json(requestView, "A permission or questions"), ...PROBLEMS },
        },
      },
      "/api/jobs/{id}/answer": { post: forUser("Answers what a subagent asks", answerBody) },
      "/api/jobs/{id}/transcript": {
        get: {
          summary: "What a subagent has said and which tools it has called, the newest of it",
          parameters: [ID],
          responses: { "200": json(transcriptView, "Oldest first"), ...PROBLEMS },
        },
      },
      "/api/confirm": {
        post: {
          summary: "Confirms a token that is from a ticket by the code that OpenCode shows",
          requestBody: content(confirmBody),
          responses: { "200": json(actionView, "It may do everything"), ...PROBLEMS },
        },
      },
      "/api/ticket": {
        post: {
          summary: "Exchanges the ticket of a link for a token, once",
          security: [],
          requestBody: content(ticketBody),
          responses: { "200": json(tokenView, "The token"), ...PROBLEMS },
        },
      },
    },
  };
}
