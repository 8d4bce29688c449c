/** What people, or other tools, call something that has another name here, and the command line that does it. */
export const GUESSES: Readonly<Record<string, string>> = {
  ...of('kmi config set KMI_DRY_RUN 0', 'live', 'go-live', 'golive'),
  ...of('kmi config set KMI_DRY_RUN 1', 'dry-run', 'dryrun', 'dry'),
  ...of('kmi config set KMI_PROXY_LISTEN 127.0.0.1:8080', 'port', 'listen'),
  ...of('kmi config set', 'edit', 'change'),
  ...of('kmi config', 'settings', 'setting', 'env-file'),
  ...of('kmi init', 'setup', 'install', 'configure'),
  ...of('kmi up', 'begin', 'launch'),
  ...of('kmi proxy', 'serve', 'server', 'daemon'),
  ...of('kmi logs', 'tail'),
  ...of('kmi run -- claude', 'claude', 'claude-code'),
  ...of('kmi run -- codex', 'codex'),
  ...of('kmi run -- opencode', 'opencode'),
  ...of('kmi run', 'exec', 'shell'),
  ...of('kmi status', 'quota', 'quotas', 'limit', 'limits', 'ps', 'info', 'accounts', 'account', 'list-keys'),
  ...of('kmi health', 'balance', 'check', 'ping'),
  ...of('kmi watch', 'dashboard', 'monitor', 'top', 'ui', 'tui'),
  ...of('kmi usage', 'cost', 'costs', 'tokens', 'history'),
  ...of('kmi trace', 'requests', 'events'),
  ...of('kmi doctor', 'diagnose', 'debug', 'fix'),
  ...of('kmi doctor --clear-blocklist', 'unblock', 'reset', 'clear'),
  ...of('kmi rotate', 'use', 'switch', 'select', 'next'),
  ...of('kmi keys add', 'new', 'create', 'import'),
  ...of('kmi keys remove', 'delete', 'del'),
  ...of('kmi keys list', 'show'),
  ...of('kmi keys disable', 'pause'),
  ...of('kmi keys enable', 'resume'),
};

function of(commandLine: string, ...words: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(words.map((word) => [word, commandLine]));
}
