/** An error that the other side of a JSON-RPC connection answered with. */
export interface RpcFailure {
  readonly code: number;
  readonly message: string;
  readonly data: unknown;
}

/**
 * The answered error in a thrown value; null when something else went wrong, such as a closed connection. Told by its
 * numeric code rather than by the SDK's class, so that the SDK is loaded only when an agent is started.
 */
export function readRpcError(error: unknown): RpcFailure | null {
  if (!(error instanceof Error) || !("code" in error) || typeof error.code !== "number") return null;
  return { code: error.code, message: error.message, data: "data" in error ? error.data : undefined };
}
