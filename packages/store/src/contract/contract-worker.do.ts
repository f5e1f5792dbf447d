import { DurableObject } from "cloudflare:workers";

/** The object in which the contract suite runs: it only lends its storage. */
export class ContractRoom extends DurableObject {}
