import { CanopyError } from "@canopy/protocol/errors";
import { CANOPY_VERSION } from "@canopy/protocol/version";
import { addBdCommand, addCommonOptions, onCall } from "../bd/bd-command.ts";
import { registerChanging } from "../bd/register-changing.ts";
import { registerCreate } from "../bd/register-create.ts";
import { registerLinks } from "../bd/register-links.ts";
import { registerReading } from "../bd/register-reading.ts";
import { registerTransfer } from "../bd/register-transfer.ts";
import type { RegisterCommands } from "../run-cli.ts";

/** `canopy bd ...`: the work board, spoken as `bd` (beads) speaks. */
export const registerBd: RegisterCommands = (program, setExit) => {
  if (process.env["CANOPY_IS_TRACKER"] === "1") {
    throw new CanopyError("conflict", "Canopy's own work board cannot be its own tracker", {
      hint: 'leave out [tasks] source = "bd", or put the real bd before it on the PATH',
    });
  }
  const bd = addCommonOptions(
    program
      .command("bd")
      .description("the work board for agents: tasks as issues, spoken as bd (beads) speaks")
      .addHelpText(
        "after",
        '\nExample:\n  canopy bd create "Fix the login" -p 1 --json\n  canopy bd ready --json',
      ),
  );
  registerTransfer(bd, setExit);
  registerCreate(bd, setExit);
  registerReading(bd, setExit);
  registerChanging(bd, setExit);
  registerLinks(bd, setExit);
  const version = addBdCommand(bd, "version", "print the version", "version");
  onCall<object>(version, setExit, async (call) => {
    call.show({ version: CANOPY_VERSION, program: "canopy" }, () => `bd version ${CANOPY_VERSION} (canopy)`);
    await Promise.resolve();
  });
};
