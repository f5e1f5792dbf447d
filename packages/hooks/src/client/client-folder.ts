import { fileURLToPath } from "node:url";

/** The folder with the client that hooks start: `canopy-hook` and, for machines without perl, `canopy-hook.cjs`. */
export const HOOK_CLIENT_FOLDER = fileURLToPath(new URL("../../client/", import.meta.url));
