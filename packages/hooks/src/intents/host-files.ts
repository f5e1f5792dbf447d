import { statSync } from "node:fs";
import { homedir } from "node:os";

/** What has to be known of the machine to say what a command does there. */
export interface HostFiles {
  /** What `~` and `$HOME` mean. */
  readonly home: string;
  /** What lies at an absolute path now. */
  readonly kindOf: (path: string) => "file" | "folder" | "none";
}

/** The machine this runs on, with the home of whoever runs it. One `stat` for each question. */
export function openHostFiles(): HostFiles {
  return {
    home: homedir(),
    kindOf: (path) => {
      try {
        return statSync(path).isDirectory() ? "folder" : "file";
      } catch {
        return "none";
      }
    },
  };
}
