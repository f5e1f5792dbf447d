import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { HostFiles } from "./host-files.ts";
import { readArgvIntents, readShellIntents } from "./read-shell-intents.ts";
import type { ToolIntent } from "./tool-intent.ts";

const FOLDERS = new Set(["/r", "/r/src", "/r/docs", "/r/build", "/r/my dir", "/tmp"]);
const FILES = new Set(["/r/a.ts", "/r/b.ts", "/r/src/x.ts"]);
const HOST: HostFiles = {
  home: "/home/me",
  kindOf: (path) => (FOLDERS.has(path) ? "folder" : FILES.has(path) ? "file" : "none"),
};
const PLACE = { cwd: "/r", host: HOST };

/** `write /r/a`, `delete /r/a/**` for a tree, `write? GLOB` for a guess, `git OPERATION(TOUCHES) SPECS`. */
function show(intent: ToolIntent): string {
  if (intent.kind === "git") {
    const where = intent.path === "/r" ? "" : ` @${intent.path}`;
    return [`git ${intent.operation}(${intent.touches})${where}`, ...intent.pathspecs].join(" ");
  }
  const mark = intent.certainty === "likely" ? "?" : "";
  return `${intent.kind}${mark} ${intent.glob ?? intent.path}${intent.certainty === "whole-tree" ? "/**" : ""}`;
}

const CASES: readonly (readonly [command: string, ...expected: string[]])[] = [
  // Nothing is written.
  ["ls -la"],
  ["echo hi 2>&1"],
  ["make >/dev/null 2>&1"],
  ["grep -rn foo src | sort | uniq -c"],
  ["git status && git log --oneline -5 && git diff HEAD~1 -- a.ts"],
  ['python3 -c \'open("x","w")\''],
  [""],
  ["# rm -rf /"],
  ["echo 'rm a.ts > b.ts'"],
  ['echo "a > b"'],
  ["[ a.ts -nt b.ts ] && [[ 1 > 2 ]] && (( 3 > 2 ))"],
  // Redirections.
  ["echo hi > a.ts", "write /r/a.ts"],
  ["echo hi >> src/x.ts", "write /r/src/x.ts"],
  ["echo hi >| a.ts", "write /r/a.ts"],
  ["make &> log.txt", "write /r/log.txt"],
  ["make &>> log.txt", "write /r/log.txt"],
  ["make >& log.txt", "write /r/log.txt"],
  ["exec 3<> a.ts", "write /r/a.ts"],
  ["make 2> err.log > out.log", "write /r/err.log", "write /r/out.log"],
  ["> a.ts", "write /r/a.ts"],
  ["wc -l < a.ts", "read /r/a.ts"],
  ["cat > '/r/my dir/f.txt' <<'EOF'\nrm b.ts\nEOF", "write /r/my dir/f.txt"],
  ["cat <<EOF > a.ts\n$(rm b.ts)\nEOF", "delete /r/b.ts", "write /r/a.ts"],
  ["{ echo a; echo b; } > a.ts", "write /r/a.ts"],
  ["(cd src && echo x > y.ts)", "write /r/src/y.ts"],
  ["while read l; do echo $l; done < a.ts > b.ts", "read /r/a.ts", "write /r/b.ts"],
  ['echo x > "$OUT"', "write? /r/**"],
  ["echo x > out/$NAME.txt", "write? /r/out/*.txt"],
  ["diff <(sort a.ts) <(sort -o b.ts b.ts)", "write /r/b.ts"],
  ["make 2> >(tee err.log)", "write /r/err.log"],
  // tee, touch, truncate, dd, sponge.
  ["echo x | tee a.ts", "write /r/a.ts"],
  ["echo x | tee -a a.ts b.ts >/dev/null", "write /r/a.ts", "write /r/b.ts"],
  ["echo x | sudo tee /etc/hosts", "write /etc/hosts"],
  ["touch a.ts new.ts", "write /r/a.ts", "write /r/new.ts"],
  ["touch -d yesterday a.ts", "write /r/a.ts"],
  ["truncate -s 0 a.ts", "write /r/a.ts"],
  ["truncate --size=0 a.ts", "write /r/a.ts"],
  ["dd if=/dev/zero of=disk.img bs=1M count=1", "write /r/disk.img"],
  ["jq . a.json | sponge a.json", "write /r/a.json"],
  ["chmod +x run.sh", "write /r/run.sh"],
  ["chmod -R go-w src", "write /r/src/**"],
  ["chmod -x run.sh", "write /r/run.sh"],
  // sed, perl, ruby, awk.
  ["sed -i 's/a/b/' a.ts", "write /r/a.ts"],
  ["sed -i.bak -e 's/a/b/' -e 's/c/d/' a.ts b.ts", "write /r/a.ts", "write /r/b.ts"],
  ["sed -i '' 's/a/b/' a.ts", "write /r/a.ts"],
  ["sed -Ei 's/a/b/' a.ts", "write /r/a.ts"],
  ["sed -ni '1p' a.ts", "write /r/a.ts"],
  ["sed --in-place=.orig 's/a/b/' a.ts", "write /r/a.ts"],
  ["sed -i -f prog.sed a.ts", "write /r/a.ts"],
  ["sed -n '1,20p' a.ts", "read /r/a.ts"],
  ["gsed -i 's/a/b/' a.ts", "write /r/a.ts"],
  ["sed -i 's/a/b/' src/*.ts", "write /r/src/*.ts"],
  ["perl -pi -e 's/a/b/' a.ts b.ts", "write /r/a.ts", "write /r/b.ts"],
  ["perl -i.bak -pe 's/a/b/' a.ts", "write /r/a.ts"],
  ["perl -0pi -e 's/a\\n/b/' a.ts", "write /r/a.ts"],
  ["perl -i script.pl a.ts", "write /r/a.ts"],
  ["perl -ne 'print' a.ts"],
  ["perl -Ilib -pe 1 a.ts"],
  ["ruby -i -pe 'gsub(/a/, \"b\")' a.ts", "write /r/a.ts"],
  ["awk -i inplace '{print}' a.ts", "write /r/a.ts"],
  ["awk '{print > \"x\"}' a.ts"],
  // rm, mv, cp, ln, install, rsync.
  ["rm a.ts", "delete /r/a.ts"],
  ["rm -f -- -weird", "delete /r/-weird"],
  ["rm -rf build", "delete /r/build/**"],
  ["rm -rf ./build/ ../other", "delete /r/build/**", "delete /other/**"],
  ["rm *.log", "delete /r/*.log"],
  ["rm -rf src/**/gen", "delete /r/src/**/gen"],
  ["rm {a,b}.ts", "delete /r/a.ts", "delete /r/b.ts"],
  ["rm f{1..3}", "delete /r/f1", "delete /r/f2", "delete /r/f3"],
  ["rm ~/notes.txt", "delete /home/me/notes.txt"],
  ["rm $HOME/notes.txt", "delete /home/me/notes.txt"],
  ['rm "${HOME}/my notes.txt"', "delete /home/me/my notes.txt"],
  ["rm ~other/x", "delete? /r/**"],
  ["\\rm a.ts", "delete /r/a.ts"],
  ["/bin/rm a.ts", "delete /r/a.ts"],
  ["unlink a.ts", "delete /r/a.ts"],
  ["mv a.ts c.ts", "move /r/a.ts", "write /r/c.ts"],
  ["mv a.ts src", "move /r/a.ts", "write /r/src/a.ts"],
  ["mv a.ts new/", "move /r/a.ts", "write /r/new/a.ts"],
  ["mv a.ts b.ts src", "move /r/a.ts", "write /r/src/a.ts", "move /r/b.ts", "write /r/src/b.ts"],
  ["mv -t src a.ts b.ts", "move /r/a.ts", "write /r/src/a.ts", "move /r/b.ts", "write /r/src/b.ts"],
  ["mv *.ts src/", "move /r/*.ts", "write /r/src/*.ts"],
  ["mv src/x.ts .", "move /r/src/x.ts", "write /r/x.ts"],
  ["cp a.ts b.ts", "write /r/b.ts"],
  ["cp a.ts src/", "write /r/src/a.ts"],
  ["cp -r src docs", "write /r/docs/src/**"],
  ["cp -a src new", "write /r/new/**"],
  ["cp --target-directory=src a.ts", "write /r/src/a.ts"],
  ["cp a.ts{,.bak}", "write /r/a.ts.bak"],
  ["ln -s ../a.ts link.ts", "write /r/link.ts"],
  ["ln -sf ../a.ts", "write /r/a.ts"],
  ["install -m 755 a.ts /usr/local/bin/tool", "write /usr/local/bin/tool"],
  ["install -d newdir"],
  ["rsync -av --delete src/ docs/", "write /r/docs/**"],
  ["rsync -av src/ host:docs/"],
  ["rsync -n -av src/ docs/"],
  ["scp host:f.txt .", "write /r/f.txt"],
  // patch, archives, downloads, formatters.
  ["patch -p1 < fix.diff", "read /r/fix.diff", "write /r/**"],
  ["patch a.ts fix.diff", "write /r/a.ts"],
  ["patch -p1 <<'EOF'\n--- a/src/x.ts\n+++ b/src/x.ts\n@@ -1 +1 @@\n-a\n+b\nEOF", "write /r/src/x.ts"],
  ["patch --dry-run -p1 < fix.diff", "read /r/fix.diff"],
  ["tar xzf a.tgz", "write /r/**"],
  ["tar -xzf a.tgz -C build", "write /r/build/**"],
  ["tar -czf out.tgz src", "write /r/out.tgz"],
  ["unzip -q a.zip -d build", "write /r/build/**"],
  ["curl -sSL -o a.ts https://example.invalid/x", "write /r/a.ts"],
  ["curl -O https://example.invalid/d/file.txt?x=1", "write /r/file.txt"],
  ["curl -s https://example.invalid/"],
  ["wget -O a.ts https://example.invalid/x", "write /r/a.ts"],
  ["npx prettier --write src/x.ts a.ts", "write /r/src/x.ts", "write /r/a.ts"],
  ["pnpm exec eslint --fix .", "write /r/**"],
  ["npx prettier --check ."],
  ["gofmt -w main.go", "write /r/main.go"],
  ["cargo fmt", "write /r/**"],
  ["cargo build"],
  ["black --check src"],
  ["ruff check --fix src", "write /r/src/**"],
  [
    "apply_patch <<'EOF'\n*** Begin Patch\n*** Update File: a.ts\n@@\n-x\n+y\n*** End Patch\nEOF",
    "write /r/a.ts",
  ],
  ["sort -o a.ts a.ts", "write /r/a.ts"],
  ["gzip a.ts", "move /r/a.ts"],
  ["cat a.ts | head -5 b.ts", "read /r/a.ts", "read /r/b.ts"],
  // cd, subshells, branches, loops, variables.
  ["cd src && rm x.ts", "delete /r/src/x.ts"],
  ["cd src; cd ..; rm a.ts", "delete /r/a.ts"],
  ["cd src && cd - && rm a.ts", "delete /r/a.ts"],
  ["cd && rm a", "delete /home/me/a"],
  ["(cd src && rm x.ts); rm a.ts", "delete /r/src/x.ts", "delete /r/a.ts"],
  ["cd src || exit 1; rm x.ts", "delete /r/src/x.ts"],
  ['cd "$DIR" && rm x.ts', "delete? /r/x.ts"],
  ['cd "$DIR"; rm /r/a.ts', "delete /r/a.ts"],
  ["if true; then cd src; fi; rm a.ts", "delete? /r/a.ts"],
  ["pushd src >/dev/null && rm x.ts", "delete /r/src/x.ts"],
  ["cd src | cat; rm a.ts", "delete /r/a.ts"],
  ["cd src & rm a.ts", "delete /r/a.ts"],
  ['rm "$(pwd)/a.ts" $PWD/b.ts', "delete /r/a.ts", "delete /r/b.ts"],
  ['F=a.ts; rm "$F"', "delete /r/a.ts"],
  ["FILES='a.ts b.ts'; rm $FILES", "delete /r/a.ts", "delete /r/b.ts"],
  ["F=a.ts; if x; then F=b.ts; fi; rm $F", "delete /r/a.ts", "delete /r/b.ts"],
  ["for f in a b; do sed -i s/x/y/ $f.ts; done", "write /r/a.ts", "write /r/b.ts"],
  ['for f in src/*.ts; do rm "$f"; done', "delete /r/src/*.ts"],
  ["case $1 in a) rm a.ts;; *) rm b.ts;; esac", "delete /r/a.ts", "delete /r/b.ts"],
  ["test -f a.ts || touch a.ts", "write /r/a.ts"],
  ["f() { rm a.ts; }; f", "delete /r/a.ts"],
  ["! rm a.ts", "delete /r/a.ts"],
  ["echo $(rm a.ts) `rm b.ts`", "delete /r/a.ts", "delete /r/b.ts"],
  ["export D=src; rm $D/x.ts", "delete /r/src/x.ts"],
  // Shells in shells, wrappers.
  ["bash -c 'rm a.ts'", "delete /r/a.ts"],
  ['bash -lc "cd src && rm x.ts"; rm a.ts', "delete /r/src/x.ts", "delete /r/a.ts"],
  ["sh -euxc 'rm a.ts'", "delete /r/a.ts"],
  ["bash -o pipefail -c 'rm a.ts'", "delete /r/a.ts"],
  ["bash <<'EOF'\nrm a.ts\nEOF", "delete /r/a.ts"],
  ["bash script.sh"],
  ['eval "rm a.ts"', "delete /r/a.ts"],
  ["bash -c \"bash -c 'rm a.ts'\"", "delete /r/a.ts"],
  ["FOO=1 BAR=2 rm a.ts", "delete /r/a.ts"],
  ["env -u X FOO=1 rm a.ts", "delete /r/a.ts"],
  ["env -C src rm x.ts", "delete /r/src/x.ts"],
  ["sudo -u root -E rm a.ts", "delete /r/a.ts"],
  ["sudo -- rm a.ts", "delete /r/a.ts"],
  ["nohup rm a.ts &", "delete /r/a.ts"],
  ["time rm a.ts", "delete /r/a.ts"],
  ["timeout 5 rm a.ts", "delete /r/a.ts"],
  ["timeout -k 5 10s nice -n 5 rm a.ts", "delete /r/a.ts"],
  ["command rm a.ts", "delete /r/a.ts"],
  ["command -v rm"],
  ["ls | xargs rm -f", "delete? /r/**"],
  ["ls | xargs -n1 -I{} mv {} src/", "move? /r/**", "write? /r/src/*"],
  ["git ls-files -z | xargs -0 sed -i 's/a/b/'", "write? /r/**"],
  ["find . -name '*.log' -delete", "delete /r/**/*.log"],
  ["find src -type f -exec sed -i 's/a/b/' {} +", "write /r/src/**"],
  ["find . -name '*.ts' -exec bash -c 'rm a.ts' \\;", "delete /r/a.ts"],
  ["find . -name x"],
  // git.
  ["git stash", "git stash(worktree)"],
  ["git stash push -m wip -- a.ts", "git stash(worktree) /r/a.ts", "write /r/a.ts"],
  ["git stash pop", "git stash(worktree)"],
  ["git stash list"],
  ["git stash drop", "git stash(refs)"],
  ["git checkout main", "git checkout(worktree)"],
  ["git checkout -b feature", "git checkout(refs)"],
  ["git checkout -- a.ts b.ts", "git checkout(worktree) /r/a.ts /r/b.ts", "write /r/a.ts", "write /r/b.ts"],
  ["git checkout HEAD~1 a.ts", "git checkout(worktree) /r/a.ts", "write /r/a.ts"],
  ["git checkout a.ts", "git checkout(worktree) /r/a.ts", "write /r/a.ts"],
  ["git checkout .", "git checkout(worktree) /r", "write /r/**"],
  ["git switch main", "git switch(worktree)"],
  ["git switch -c feature", "git switch(refs)"],
  ["git restore src", "git restore(worktree) /r/src", "write /r/src/**"],
  ["git restore --staged a.ts", "git restore(index) /r/a.ts"],
  ["git restore -s HEAD~2 -SW a.ts", "git restore(worktree) /r/a.ts", "write /r/a.ts"],
  ["git reset --hard HEAD~1", "git reset(worktree)"],
  ["git reset", "git reset(index)"],
  ["git reset HEAD a.ts", "git reset(index) /r/a.ts"],
  ["git reset --soft HEAD~1", "git reset(refs)"],
  ["git clean -fd", "git clean(worktree)"],
  ["git clean -n"],
  ["git clean -fdx build", "git clean(worktree) /r/build", "delete /r/build/**"],
  ["git rebase main", "git rebase(worktree)"],
  ["git rebase --abort", "git rebase(worktree)"],
  ["git merge feature", "git merge(worktree)"],
  ["git pull --rebase", "git pull(worktree)"],
  ["git cherry-pick abc", "git cherry-pick(worktree)"],
  ["git revert HEAD", "git revert(worktree)"],
  ["git am < p.mbox", "read /r/p.mbox", "git am(worktree)"],
  ["git apply fix.diff", "git apply(worktree)"],
  ["git apply --check fix.diff"],
  [
    "git apply <<'EOF'\n--- a/a.ts\n+++ b/a.ts\n@@ -1 +1 @@\n-a\n+b\nEOF",
    "git apply(worktree) /r/a.ts",
    "write /r/a.ts",
  ],
  ["git rm a.ts", "git rm(worktree) /r/a.ts", "delete /r/a.ts"],
  ["git rm --cached a.ts", "git rm(index) /r/a.ts"],
  ["git mv a.ts src", "git mv(worktree) /r/a.ts", "move /r/a.ts", "write /r/src/a.ts"],
  ["git add -A", "git add(index)"],
  ["git add a.ts src", "git add(index) /r/a.ts /r/src"],
  ["git add '*.ts'", "git add(index) /r/*.ts"],
  ["git commit -am wip", "git commit(index)"],
  ["git commit -m wip", "git commit(index)"],
  ["git commit -m wip a.ts", "git commit(index) /r/a.ts"],
  ["git -C src checkout -- x.ts", "git checkout(worktree) @/r/src /r/src/x.ts", "write /r/src/x.ts"],
  ["cd src && git stash", "git stash(worktree) @/r/src"],
  ["git -c user.name=x --no-pager stash", "git stash(worktree)"],
  ["git branch -D old", "git branch(refs)"],
  ["git branch"],
  ["git push --force", "git push(refs)"],
  ["git fetch origin"],
  ["git worktree remove ../wt", "git worktree(refs)", "delete /wt/**"],
  ["git bisect start", "git bisect(worktree)"],
  ["git submodule update --init", "git submodule(worktree)"],
  ["sudo git reset --hard", "git reset(worktree)"],
  // Broken and odd.
  ["rm 'a.ts", "delete /r/a.ts"],
  ["rm a.ts; if", "delete /r/a.ts"],
  ["rm a.ts)", "delete /r/a.ts"],
  ["$CMD a.ts"],
  ["constructor a.ts; toString b; __proto__ c"],
  ["rm ''"],
];

test.each(CASES)("%s", (command, ...expected) => {
  expect(readShellIntents(command, PLACE).map(show)).toEqual(expected);
});

test("a command given as words is read as they are", () => {
  expect(readArgvIntents(["bash", "-lc", "cd src && rm x.ts"], PLACE).map(show)).toEqual([
    "delete /r/src/x.ts",
  ]);
  expect(readArgvIntents(["rm", "*.ts", "a b"], PLACE).map(show)).toEqual([
    "delete /r/*.ts",
    "delete /r/a b",
  ]);
  expect(readArgvIntents([], PLACE)).toEqual([]);
});

test("a literal name with a wildcard is that file, not a pattern", () => {
  expect(readShellIntents("rm 'a*.ts'", PLACE)).toEqual([
    { kind: "delete", path: "/r/a*.ts", glob: null, certainty: "sure", detail: "rm" },
  ]);
  expect(readShellIntents("rm *.ts", { cwd: "/r[1]", host: HOST })).toEqual([
    { kind: "delete", path: "/r[1]", glob: "/r\\[1\\]/*.ts", certainty: "sure", detail: "rm" },
  ]);
});

test("no text makes it throw, and every path is absolute", () => {
  const piece = fc.constantFrom(
    ..."rm|mv|cp|sed -i|git|checkout|--|>|<|<<E|\n|E|;|&&|(|)|{|}|$(|`|'|\"|$X|*|[|]|a.ts|-r|-|\\|if|then|fi|for|in|do|done|case|esac|xargs|find|-exec|sudo|bash -c|tee|~|..|{a,b}|#|!|&|=|x=|\u0000|é".split(
      "|",
    ),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 25 }), fc.boolean(), (pieces, spaced) => {
      const intents = readShellIntents(pieces.join(spaced ? " " : ""), PLACE);
      expect(intents.filter(({ path }) => !path.startsWith("/"))).toEqual([]);
    }),
    { numRuns: 3_000 },
  );
});

test("deep and large commands end", () => {
  const nested = `${"bash -c ".repeat(50)}rm`;
  const deep = `${"(".repeat(5_000)}rm a.ts${")".repeat(5_000)}`;
  const wide = `rm ${Array.from({ length: 5_000 }, (_, index) => `f${index}`).join(" ")}`;
  const braces = `rm ${"{a,b}".repeat(40)}`;
  expect(readShellIntents(nested, PLACE)).toEqual([]);
  expect(readShellIntents(deep, PLACE).length).toBeLessThan(2);
  expect(readShellIntents(wide, PLACE).length).toBe(2_000);
  expect(readShellIntents(braces, PLACE).length).toBeLessThan(65);
  expect(readShellIntents("rm a.ts;".repeat(100_000), PLACE)).toEqual([]);
});
