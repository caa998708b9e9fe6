/** The program of the page's server that an OpenCode starts; see `page-server.ts`. */
const { servePage } = await import("./main.js");
servePage();

export {};
