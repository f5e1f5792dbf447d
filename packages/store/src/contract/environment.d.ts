import type { ContractRoom } from "./contract-worker.do.ts";

declare global {
  namespace Cloudflare {
    interface Env {
      readonly ROOMS: DurableObjectNamespace<ContractRoom>;
    }
  }
}
