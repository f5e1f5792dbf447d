import { largeFilePath } from "./create-test-repository.ts";

/** A task of the large run: what its agent does, and what must come of it. */
export interface LargeRunTask {
  readonly key: string;
  readonly title: string;
  /** A shell script; the agent of the run carries out what its task's description says. */
  readonly script: string;
  readonly priority: number;
  readonly dependsOn: readonly string[];
  /** As `readChangedPaths` answers. */
  readonly changed: readonly string[];
}

/** The agent of the large run: its task's description is the script. */
export const SCRIPT_AGENT = 'command:cat >/dev/null; sh -eu -c "$CANOPY_TASK_DESCRIPTION"';

const CHAINS = 8;
const PACKAGE_STEP = 5;
/** Directories and files per directory of the repository that the tasks are made for: 20,001 files. */
export const LARGE_RUN_SIZE = { directories: 200, files: 100 } as const;

interface Kind {
  readonly name: string;
  readonly script: (directory: number, key: string) => string;
  readonly changed: (directory: number) => readonly string[];
}

function packageOf(directory: number): string {
  return largeFilePath(directory, 0).slice(0, -"/f000.txt".length);
}

const KINDS: readonly Kind[] = [
  {
    name: "edit",
    script: (directory, key) => `echo 'edited by ${key}' >> ${largeFilePath(directory, 1)}`,
    changed: (directory) => [`M ${largeFilePath(directory, 1)}`],
  },
  {
    name: "add",
    script: (directory) =>
      `mkdir -p ${packageOf(directory)}/new/deep && echo added > ${packageOf(directory)}/new/deep/file.txt`,
    changed: (directory) => [`A ${packageOf(directory)}/new/deep/file.txt`],
  },
  {
    name: "delete",
    script: (directory) => `rm ${largeFilePath(directory, 2)} ${largeFilePath(directory, 3)}`,
    changed: (directory) => [`D ${largeFilePath(directory, 2)}`, `D ${largeFilePath(directory, 3)}`],
  },
  {
    name: "rename",
    script: (directory) => `mv ${largeFilePath(directory, 4)} ${packageOf(directory)}/renamed.txt`,
    changed: (directory) => [`D ${largeFilePath(directory, 4)}`, `A ${packageOf(directory)}/renamed.txt`],
  },
  {
    name: "unicode and space names",
    script: (directory) =>
      `cd ${packageOf(directory)}; echo one > ' naïve café — Ω 日本 .txt'; mkdir 'a folder'; echo two > 'a folder/"quoted" \\back.txt'`,
    changed: (directory) => [
      `A ${packageOf(directory)}/ naïve café — Ω 日本 .txt`,
      `A ${packageOf(directory)}/a folder/"quoted" \\back.txt`,
    ],
  },
  {
    name: "symbolic links",
    script: (directory) =>
      `cd ${packageOf(directory)}; ln -s f001.txt link; ln -s /nowhere/at/all dangling; rm f005.txt; ln -s f001.txt f005.txt`,
    changed: (directory) => [
      `A ${packageOf(directory)}/link`,
      `A ${packageOf(directory)}/dangling`,
      `T ${largeFilePath(directory, 5)}`,
    ],
  },
  {
    name: "mode",
    script: (directory) => `chmod +x ${largeFilePath(directory, 6)}`,
    changed: (directory) => [`M ${largeFilePath(directory, 6)}`],
  },
  {
    name: "binary",
    script: (directory) =>
      `{ printf '\\000\\001\\377\\376'; head -c 65536 /dev/zero; } > ${packageOf(directory)}/blob.bin`,
    changed: (directory) => [`A ${packageOf(directory)}/blob.bin`],
  },
  {
    name: "own commits and more",
    script: (directory, key) =>
      [
        `cd ${packageOf(directory)}`,
        "echo committed >> f007.txt",
        `git add -A; git commit -q -m 'First commit of ${key}'`,
        `git rm -q f008.txt; git commit -q -m 'Second commit of ${key}'`,
        "echo left uncommitted >> f009.txt",
        "echo staged > staged.txt; git add staged.txt",
      ].join("; "),
    changed: (directory) => [
      `M ${largeFilePath(directory, 7)}`,
      `D ${largeFilePath(directory, 8)}`,
      `M ${largeFilePath(directory, 9)}`,
      `A ${packageOf(directory)}/staged.txt`,
    ],
  },
  {
    name: "folder becomes a file",
    script: (directory) => `rm -r ${packageOf(directory)}; echo flat > ${packageOf(directory)}`,
    changed: (directory) => [
      ...Array.from({ length: LARGE_RUN_SIZE.files }, (_, file) => `D ${largeFilePath(directory, file)}`),
      `A ${packageOf(directory)}`,
    ],
  },
];

function keyOf(index: number): string {
  return `t${String(index).padStart(2, "0")}`;
}

/** The file that all tasks of a chain append to, each its own key. */
export function chainFile(chain: number): string {
  return `chains/${chain}.txt`;
}

function dependenciesOf(index: number): string[] {
  if (index < CHAINS) return [];
  const before = [index - CHAINS];
  // Every other task also waits for a neighbour's chain.
  if (index % 2 === 0) before.push(index - CHAINS + (index % CHAINS === CHAINS - 1 ? 1 - CHAINS : 1));
  return before.map((each) => keyOf(each));
}

/**
 * Forty tasks, or fewer, in five layers of eight chains. Each does one kind of change in a package of its own, appends its
 * key to its chain's file, and leaves ignored build output behind that must not land.
 */
export function createLargeRunTasks(count: number): LargeRunTask[] {
  return Array.from({ length: count }, (_, index) => {
    const key = keyOf(index);
    const kind = KINDS[index % KINDS.length];
    if (kind === undefined) throw new Error("there is a kind for every task");
    const directory = (index * PACKAGE_STEP) % LARGE_RUN_SIZE.directories;
    const chain = chainFile(index % CHAINS);
    const steps = [
      `mkdir -p chains build && echo ${key} >> ${chain}`,
      "echo object > build/out.o; echo noise > run.log",
      `(${kind.script(directory, key)})`,
    ];
    const changed = [...kind.changed(directory), `${index < CHAINS ? "A" : "M"} ${chain}`].sort();
    return {
      key,
      title: `${key}: ${kind.name}`,
      script: steps.join("\n"),
      priority: index % 5,
      dependsOn: dependenciesOf(index),
      changed,
    };
  });
}

/** The tasks as a file for `canopy task import`: one JSON object a line. */
export function formatTaskFile(tasks: readonly LargeRunTask[]): string {
  return tasks
    .map(({ key, title, script, priority, dependsOn }) =>
      JSON.stringify({ id: key, title, description: script, priority, dependencies: dependsOn }),
    )
    .join("\n");
}
