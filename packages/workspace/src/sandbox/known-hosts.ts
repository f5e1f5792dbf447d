/** Hosts of package registries that every allow-list has. */
export const REGISTRY_HOSTS: readonly string[] = [
  "registry.npmjs.org",
  "registry.yarnpkg.com",
  "pypi.org",
  "files.pythonhosted.org",
  "crates.io",
  "index.crates.io",
  "static.crates.io",
  "proxy.golang.org",
  "sum.golang.org",
  "rubygems.org",
  "index.rubygems.org",
  "repo.maven.apache.org",
  "repo1.maven.org",
  "plugins.gradle.org",
  "deb.debian.org",
  "security.debian.org",
  "archive.ubuntu.com",
  "security.ubuntu.com",
];

const ANTHROPIC = ["api.anthropic.com", "console.anthropic.com", "claude.ai", "statsig.anthropic.com"];
const OPENAI = ["api.openai.com", "auth.openai.com", "chatgpt.com", "ab.chatgpt.com"];
const GOOGLE = ["generativelanguage.googleapis.com", "oauth2.googleapis.com", "cloudcode-pa.googleapis.com"];

/** Hosts of the model providers that an agent talks to, by the agent's built-in name. From the agents' own documents. */
const PROVIDER_HOSTS: Readonly<Record<string, readonly string[]>> = {
  auggie: ["*.augmentcode.com"],
  claude: ANTHROPIC,
  codex: OPENAI,
  copilot: ["api.github.com", "github.com", "*.githubcopilot.com", "copilot-proxy.githubusercontent.com"],
  cursor: ["*.cursor.sh", "*.cursor.com", "cursor.com"],
  gemini: GOOGLE,
  kimi: ["api.moonshot.cn", "api.moonshot.ai", "*.kimi.com"],
  opencode: [
    ...ANTHROPIC,
    ...OPENAI,
    ...GOOGLE,
    "opencode.ai",
    "models.opencode.ai",
    "models.dev",
    "openrouter.ai",
  ],
  qwen: ["dashscope.aliyuncs.com", "dashscope-intl.aliyuncs.com", "chat.qwen.ai", "portal.qwen.ai"],
};

/** The hosts that an agent needs; a command of the person's own needs none that is known. */
export function listProviderHosts(agent: string): readonly string[] {
  return Object.hasOwn(PROVIDER_HOSTS, agent) ? (PROVIDER_HOSTS[agent] ?? []) : [];
}
