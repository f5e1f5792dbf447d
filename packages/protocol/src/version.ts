/** Version of this program, as `canopy --version` prints it. */
export const CANOPY_VERSION = "0.1.0";

/**
 * Version of the wire: REST shapes, WebSocket frames and events. Raised whenever the hash of the schemas changes
 * (wire-hash.test.ts forces it).
 */
export const WIRE_VERSION = 1;
