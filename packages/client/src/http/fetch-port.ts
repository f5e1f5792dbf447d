/** What is used of an answer; the global `Response` fits. */
export interface FetchedResponse {
  readonly status: number;
  readonly body: AsyncIterable<Uint8Array> | null;
  text(): Promise<string>;
}

/** What is sent. */
export interface FetchInit {
  readonly method: string;
  readonly headers: Record<string, string>;
  readonly body?: string;
  readonly signal?: AbortSignal;
}

/** How requests are made: the global `fetch` fits; `@canopy/client/node` has one for unix sockets. */
export type FetchPort = (url: string, init: FetchInit) => Promise<FetchedResponse>;
