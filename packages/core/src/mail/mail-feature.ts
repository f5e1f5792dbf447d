import type { ProjectCommand, ProjectEvent } from "@canopy/protocol";
import type { RoomFeature } from "../kernel/room-definition.ts";
import { decideReadMail, decideTakeDigest } from "./decide-digest.ts";
import { decideAcknowledge, decideAnswerYield, decideSend, wakeMessage } from "./decide-mail.ts";
import { MAIL_MIGRATIONS, MAIL_PROJECTIONS, MAIL_TABLES } from "./mail-rows.ts";

/** Messages between sessions and people, one row for each recipient, and what is put before an agent. */
export const mailFeature: RoomFeature<ProjectCommand, ProjectEvent> = {
  name: "mail",
  migrations: MAIL_MIGRATIONS,
  tables: MAIL_TABLES,
  decide: {
    "mail.send": decideSend,
    "mail.acknowledge": decideAcknowledge,
    "mail.answer-yield": decideAnswerYield,
    "mail.read": decideReadMail,
    "digest.take": decideTakeDigest,
  },
  project: MAIL_PROJECTIONS,
  timers: { mail: (context, key) => wakeMessage(context, key.slice("mail:".length)) },
};
