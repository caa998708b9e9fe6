/** The program of the page's server that an OpenCode starts; see `page-server.ts`. */
void import("./main.js").then(({ servePage }) => servePage());
