/**
 * The package's name and version, for people and for the owner's mark in the state folder; a test holds them against
 * package.json.
 */
export const PACKAGE = "opencode-background-manager";
export const VERSION = "0.1.0";
