import { quoteWord } from "./client-command.ts";

/** The git hooks that ask Canopy. */
export const GIT_HOOKS = ["pre-commit", "pre-push", "reference-transaction"] as const;

/** One of them. */
export type GitHookName = (typeof GIT_HOOKS)[number];

/** What a hook that was there before is called while ours stands in its place. */
export const CHAINED_SUFFIX = ".before-canopy";

const MARK = "# canopy: written by `canopy setup git`, removed by `canopy setup git --uninstall`.";

/** Whether a hook's text is one of ours, of any version. */
export function isOwnGitHook(text: string): boolean {
  return text.includes(MARK);
}

const ASK: Readonly<Record<GitHookName, string>> = {
  "pre-commit": 'ask "$@" || exit $?',
  "pre-push": 'ask "$@" || exit $?',
  // Prepared, it can be refused; committed, it is news. A rebase moves HEAD alone for each commit, which cannot be refused in time.
  "reference-transaction": `case $1 in
  prepared) case $input in *refs/heads/* | *refs/stash*) ask "$@" || exit $? ;; esac ;;
  committed) case $input in *' HEAD'* | *refs/heads/* | *refs/stash*) ask "$@" ;; esac ;;
esac`,
};

/**
 * A git hook that asks Canopy, and then runs the hook that was there before. That one is read by its own shell under the old name, for
 * husky and others find their parts by `$0`; another program is started as it is. Both get what git says on standard input.
 */
export function createGitHookScript(name: GitHookName, clientPath: string): string {
  return `#!/bin/sh
${MARK}
# The hook that was here before is beside it, as ${name}${CHAINED_SUFFIX}, and runs after it.
client=${quoteWord(clientPath)}
own=$0${CHAINED_SUFFIX}
input=
${name === "pre-commit" ? "" : "input=$(cat; printf x)\ninput=${input%x}\n"}ask() {
  [ -x "$client" ] || return 0
  printf %s "$input" | "$client" git ${name} "$@"
}
${ASK[name]}
[ -x "$own" ] || exit 0
first=
IFS= read -r first < "$own"
case $first in
  '#!'*[/\\ ]sh | '#!'*[/\\ ]sh\\ -* | '#!'*[/\\ ]bash | '#!'*[/\\ ]bash\\ -* | '#!'*[/\\ ]dash | '#!'*[/\\ ]zsh | '#!'*[/\\ ]ksh)
    printf %s "$input" | \${first#??} -c '. "$0${CHAINED_SUFFIX}"' "$0" "$@"
    ;;
  *)
    printf %s "$input" | "$own" "$@"
    ;;
esac
`;
}
