/** The package's version, for the owner's mark in the state folder; a test holds it against package.json. */
export const VERSION = "0.1.0";
