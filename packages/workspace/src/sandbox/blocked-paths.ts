/** Below a person's home: never shown, whatever the configuration says, unless `permit` names exactly the path. */
const HOME_SECRETS: readonly string[] = [
  ".ssh",
  ".gnupg",
  ".aws",
  ".azure",
  ".config/gcloud",
  ".kube",
  ".docker",
  ".netrc",
  ".password-store",
  ".local/share/keyrings",
  ".local/share/kwalletd",
  ".config/gh",
  ".config/hub",
  ".config/glab-cli",
  ".config/op",
  ".config/doctl",
  ".config/containers",
  ".git-credentials",
  ".config/git/credentials",
  ".npmrc",
  ".pypirc",
  ".cargo/credentials",
  ".cargo/credentials.toml",
  ".gem/credentials",
  ".m2/settings-security.xml",
  ".vault-token",
  ".terraform.d",
  ".oci",
  ".mozilla",
  ".config/google-chrome",
  ".config/chromium",
  ".bash_history",
  ".zsh_history",
  ".claude/.credentials.json",
  ".codex/auth.json",
  ".local/share/opencode/auth.json",
];

const SYSTEM_SECRETS: readonly string[] = [
  "/etc/shadow",
  "/etc/shadow-",
  "/etc/gshadow",
  "/etc/gshadow-",
  "/etc/sudoers",
  "/etc/sudoers.d",
  "/etc/ssh",
  "/etc/ssl/private",
  "/etc/kubernetes",
  "/etc/docker",
  "/run",
  "/var/run",
  "/var/lib/docker",
  "/boot",
  "/sys",
  "/proc",
  "/dev",
];

/** Every path that no configuration opens by accident: `homes` are the homes of people, `state` the daemon's own folders. */
export function listBlockedPaths(homes: readonly string[], state: readonly string[]): string[] {
  return [
    ...SYSTEM_SECRETS,
    ...homes.flatMap((home) => HOME_SECRETS.map((path) => `${home}/${path}`)),
    ...state,
  ];
}

/** True when `path` is `parent` or below it. */
export function isWithin(path: string, parent: string): boolean {
  return path === parent || path.startsWith(parent === "/" ? "/" : `${parent}/`);
}
