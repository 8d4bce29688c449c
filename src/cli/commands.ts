import { ENV } from './clients/env/row.ts';
import { KIMI } from './clients/kimi/row.ts';
import { RUN } from './clients/run/row.ts';
import type { CommandRow } from './command/command-row.ts';
import { KEYS_ADD } from './keys/add/row.ts';
import { KEYS_DISABLE } from './keys/disable/row.ts';
import { KEYS_ENABLE } from './keys/enable/row.ts';
import { KEYS, KEYS_LIST } from './keys/list/row.ts';
import { LOGIN } from './keys/login/row.ts';
import { LOGOUT } from './keys/logout/row.ts';
import { KEYS_REMOVE } from './keys/remove/row.ts';
import { KEYS_RENAME } from './keys/rename/row.ts';
import { KEYS_SET } from './keys/set/row.ts';
import { KEYS_TEST } from './keys/test/row.ts';
import { PROXY_LOGS } from './proxy/logs/row.ts';
import { PROXY_RESTART } from './proxy/restart/row.ts';
import { PROXY } from './proxy/start/row.ts';
import { PROXY_STOP } from './proxy/stop/row.ts';
import { ROTATE_AUTO } from './rotation/auto/row.ts';
import { E2E } from './rotation/e2e/row.ts';
import { ROTATE_OFF } from './rotation/off/row.ts';
import { ROTATE } from './rotation/rotate/row.ts';
import { completionRow } from './setup/completion/row.ts';
import { CONFIG } from './setup/config/row.ts';
import { CONFIG_GET } from './setup/config-get/row.ts';
import { CONFIG_SET } from './setup/config-set/row.ts';
import { CONFIG_UNSET } from './setup/config-unset/row.ts';
import { DEMO } from './setup/demo/row.ts';
import { INIT } from './setup/init/row.ts';
import { UP } from './setup/up/row.ts';
import { VERSION } from './setup/version/row.ts';
import { CURRENT } from './views/current/row.ts';
import { DOCTOR } from './views/doctor/row.ts';
import { HEALTH } from './views/health/row.ts';
import { NOTIFY_TEST } from './views/notify-test/row.ts';
import { STATUS } from './views/status/row.ts';
import { TRACE } from './views/trace/row.ts';
import { USAGE } from './views/usage/row.ts';
import { WATCH } from './views/watch/row.ts';
import { WHY } from './views/why/row.ts';

/** Every command, in the order `kmi --help` lists them; those of one group stand together. */
export const COMMANDS: readonly CommandRow[] = [
  UP,
  INIT,
  LOGIN,
  LOGOUT,
  KEYS,
  KEYS_LIST,
  KEYS_ADD,
  KEYS_REMOVE,
  KEYS_DISABLE,
  KEYS_ENABLE,
  KEYS_RENAME,
  KEYS_SET,
  KEYS_TEST,
  CONFIG,
  CONFIG_SET,
  CONFIG_UNSET,
  CONFIG_GET,
  completionRow(() => COMMANDS),
  DEMO,
  VERSION,
  PROXY,
  PROXY_STOP,
  PROXY_RESTART,
  PROXY_LOGS,
  KIMI,
  RUN,
  ENV,
  STATUS,
  HEALTH,
  CURRENT,
  TRACE,
  WATCH,
  USAGE,
  WHY,
  DOCTOR,
  NOTIFY_TEST,
  ROTATE,
  ROTATE_AUTO,
  ROTATE_OFF,
  E2E,
];
