import { PATH_VARIABLES } from '../config/expand-path.ts';
import { SETTINGS } from '../config/settings.ts';

type Variables = Readonly<Record<string, string | undefined>>;

/** Besides the settings: what Node, the system's libraries and the way to the upstream need. Lower case. */
const PASSED: ReadonlySet<string> = new Set([
  'kmi_env_path',
  'kmi_debug',
  ...PATH_VARIABLES,
  ...['path', 'shell', 'tz', 'lang', 'language', 'no_color'],
  ...['http_proxy', 'https_proxy', 'all_proxy', 'no_proxy', 'ssl_cert_file', 'ssl_cert_dir'],
  ...['node_options', 'node_extra_ca_certs', 'node_v8_coverage', 'node_use_system_ca', 'node_icu_data'],
  ...['ld_library_path', 'dyld_library_path', 'systemroot', 'windir', 'comspec', 'pathext'],
]);

/**
 * The environment of the background proxy. It lives on long after the shell that started it, so the shell's other secrets
 * (API keys, tokens of other tools) are not handed down to it.
 */
export function daemonEnvironment(environment: Variables): Variables {
  const settings = new Set(Object.values(SETTINGS).map(({ variable }) => variable.toLowerCase()));
  return Object.fromEntries(
    Object.entries(environment).filter(([name]) => {
      const lower = name.toLowerCase();
      return settings.has(lower) || PASSED.has(lower) || lower.startsWith('lc_');
    }),
  );
}
