import type { Blocker, Claim } from "@canopy/protocol";
import { ERROR_EXIT_CODES } from "@canopy/protocol/errors";
import type { Command } from "commander";
import { act } from "../connection/coordination-api.ts";
import { formatAge, formatDuration, formatTable, sanitizeLine } from "../output/format.ts";
import { collectList, parseDurationArgument } from "../parse-arguments.ts";
import type { Common, Setter } from "./coordinate-command.ts";
import { addCommand, parse, show } from "./coordinate-command.ts";
import { startWait } from "./start-wait.ts";

function formatClaims(
  claims: readonly (Claim & { readonly handle: string; readonly state: string })[],
): string {
  if (claims.length === 0) return "nothing is claimed";
  const now = Date.now();
  return formatTable(
    ["WHAT", "MODE", "HOLDER", "STATE", "SINCE", "EXPIRES IN", "TOKEN", "ID", "REASON"],
    claims.map((claim) => [
      sanitizeLine(claim.target.label === "" ? "(everything)" : claim.target.label),
      claim.isAutomatic ? `${claim.mode}, by editing` : claim.mode,
      `@${claim.handle}`,
      claim.state,
      formatAge(claim.grantedAtMs, now),
      formatDuration(Math.max(0, claim.expiresAtMs - now)),
      String(claim.fence),
      claim.claimId,
      sanitizeLine(claim.reason),
    ]),
  );
}

function formatBlockers(blockers: readonly Blocker[]): string {
  return blockers
    .map(
      ({ handle, target, state, reason }) =>
        `  @${handle} (${state}) ${sanitizeLine(target.label)} ${sanitizeLine(reason)}`,
    )
    .join("\n");
}

interface ClaimOptions extends Common {
  readonly reason: string;
  readonly ttl?: number;
  readonly shared?: boolean;
  readonly intent?: boolean;
  readonly repository?: boolean;
  readonly wait?: boolean;
  readonly waitFor: number;
  readonly check?: boolean;
}

async function claim(targets: readonly string[], options: ClaimOptions, setExit: Setter): Promise<void> {
  const answer = await act(
    {
      type: "claim",
      targets: [...targets],
      mode: options.shared === true ? "shared" : options.intent === true ? "intent" : "exclusive",
      scope: options.repository === true ? "repository" : "worktree",
      reason: options.reason,
      ...(options.ttl === undefined ? {} : { ttlMs: options.ttl }),
      wait: options.wait === true,
      waitMs: options.waitFor,
      check: options.check === true,
    },
    options,
  );
  const state = parse<string>(answer["state"]);
  if (state === "queued") {
    const condition = `granted:${parse<string>(answer["ticketId"])}`;
    return await startWait([condition], { ...options, timeout: options.waitFor, block: true }, setExit);
  }
  if (state === "held") setExit(ERROR_EXIT_CODES.conflict);
  show(answer, options, () => {
    const risks = parse<{ handle: string; target: { label: string } }[]>(answer["risks"]);
    const notes = risks.map(
      ({ handle, target }) => `note: @${handle} works on ${sanitizeLine(target.label)} in another work tree`,
    );
    const held = formatBlockers(parse<Blocker[]>(answer["blockers"]));
    const granted = parse<Claim[] | undefined>(answer["claims"]) ?? [];
    const lines = granted.map(
      (one) => `${one.claimId} ${sanitizeLine(one.target.label)} (token ${one.fence})`,
    );
    return [state, ...lines, held, ...notes].filter((line) => line !== "").join("\n");
  });
}

/** `claim`, `release`, `claims`. */
export function registerClaims(program: Command, setExit: Setter): void {
  addCommand(
    program,
    "claim <targets...>",
    "claim files, DIR/, globs or resources (port:3000) for this session",
    "canopy claim src/auth/ --reason 'login refactoring'",
  )
    .option("--reason <text>", "why, for those who meet the claim", "")
    .option("--ttl <duration>", "how long it lasts unless used", parseDurationArgument)
    .option("--shared", "others may share it")
    .option("--intent", "only announce it; nobody is kept out")
    .option("--repository", "in all work trees of the repository")
    .option("--wait", "stand in line until it is free")
    .option("--wait-for <duration>", "how long to stand in line", parseDurationArgument, 600_000)
    .option("--check", "only say what would happen")
    .action(async (targets: string[], options: ClaimOptions) => claim(targets, options, setExit));
  addCommand(program, "release [targets...]", "give claims up", "canopy release src/auth/")
    .option("--all", "everything this session holds")
    .option("--claim <ids>", "by id", collectList)
    .action(async (targets: string[], options: Common & { all?: boolean; claim?: string[] }) => {
      const action = {
        type: "release",
        targets,
        claims: options.claim ?? [],
        all: options.all === true,
      } as const;
      const answer = await act(action, options);
      show(answer, options, () => `released ${parse<string[]>(answer["released"]).length}`);
    });
  registerHeldClaims(program);
}

function registerHeldClaims(program: Command): void {
  const claims = addCommand(
    program,
    "claims",
    "show what is claimed, and who stands in line",
    "canopy claims --mine",
  )
    .option("--mine", "only of this session")
    .action(async (options: Common & { mine?: boolean }) => {
      const answer = await act({ type: "claims", mine: options.mine === true }, options);
      show(answer, options, () => formatClaims(parse(answer["claims"])));
    });
  addCommand(
    claims,
    "force <targets...>",
    "take claims from their holder, who is told",
    "canopy claims force src/auth/ --reason 'it hangs'",
  )
    .requiredOption("--reason <text>", "why")
    .action(async (targets: string[], _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<Common & { reason: string }>();
      const answer = await act({ type: "force", targets, claims: [], reason: options.reason }, options);
      show(answer, options, () => `took ${parse<string[]>(answer["forced"]).length}`);
    });
  addCommand(
    claims,
    "hand-over <session> <targets...>",
    "give own claims to another session",
    "canopy claims hand-over @codex-1 src/auth/",
  ).action(async (to: string, targets: string[], _options: unknown, command: Command) => {
    const options = command.optsWithGlobals<Common>();
    const answer = await act({ type: "hand-over", targets, claims: [], to }, options);
    show(answer, options, () => `handed over ${parse<string[]>(answer["claims"]).length}`);
  });
  addCommand(claims, "renew <ids...>", "prolong claims", "canopy claims renew clm_1k2m3np4q5r6").action(
    async (ids: string[], _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<Common>();
      const answer = await act({ type: "renew", claims: ids }, options);
      show(answer, options, () => `renewed ${parse<string[]>(answer["claims"]).length}`);
    },
  );
}
