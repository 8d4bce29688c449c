import { delimiter, resolve } from 'node:path';
import { PATH_VARIABLES } from '../config/expand-path.ts';
import { SETTINGS } from '../config/settings.ts';

type Variables = Readonly<Record<string, string | undefined>>;

/** Besides the settings: what Node, the system's libraries and the way to the upstream need. Lower case. */
const PASSED: ReadonlySet<string> = new Set([
  'kmi_env_path',
  'kmi_debug',
  ...PATH_VARIABLES,
  ...['path', 'shell', 'tz', 'lang', 'language', 'no_color'],
  // Who is behind root: what the proxy writes must stay that user's.
  ...['sudo_uid', 'doas_user', 'pkexec_uid'],
  ...['http_proxy', 'https_proxy', 'all_proxy', 'no_proxy', 'ssl_cert_file', 'ssl_cert_dir'],
  ...['node_options', 'node_extra_ca_certs', 'node_v8_coverage', 'node_use_system_ca', 'node_icu_data'],
  // The way to the desktop, for its notices.
  ...['display', 'wayland_display', 'xauthority', 'dbus_session_bus_address', 'xdg_runtime_dir'],
  ...['ld_library_path', 'dyld_library_path', 'systemroot', 'windir', 'comspec', 'pathext'],
]);

/**
 * The environment of the background proxy. It lives on long after the shell that started it, so the shell's other secrets
 * (API keys, tokens of other tools) are not handed down to it. It leaves the folder it was started in, so a path that Node
 * follows later than at its start is made absolute.
 */
export function daemonEnvironment(environment: Variables, cwd: string): Variables {
  const settings = new Set(Object.values(SETTINGS).map(({ variable }) => variable.toLowerCase()));
  const isPassed = (lower: string) => settings.has(lower) || PASSED.has(lower) || lower.startsWith('lc_');
  return Object.fromEntries(
    Object.entries(environment).flatMap(([name, value]) => {
      const lower = name.toLowerCase();
      if (!isPassed(lower)) return [];
      return [[name, READ_LATE.has(lower) && value ? absolute(value, cwd) : value]];
    }),
  );
}

/** Certificates, read when the first TLS connection is made. */
const READ_LATE: ReadonlySet<string> = new Set(['node_extra_ca_certs', 'ssl_cert_file', 'ssl_cert_dir']);

/** A path, or several as they stand in a PATH. */
function absolute(value: string, cwd: string): string {
  return value
    .split(delimiter)
    .map((each) => (each === '' ? each : resolve(cwd, each)))
    .join(delimiter);
}
