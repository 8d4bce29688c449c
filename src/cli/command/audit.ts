import type { App } from '../../app.ts';

/** What a person did that others may have to answer for (docs/kmi-manager.md#logs-and-audit). */
export type AuditEvent = 'auto_rotate_enabled' | 'auto_rotate_disabled' | 'config_written';

const AUDIT_WORDS: Readonly<Record<AuditEvent, string>> = {
  auto_rotate_enabled: 'Auto-rotation was turned on.',
  auto_rotate_disabled: 'Auto-rotation was turned off.',
  config_written: 'A key was written into the config of a Kimi client.',
};

/** Writes an audit event into the log, with the actor: `KMI_AUDIT_ACTOR`, else the user. Details never hold a key. */
export async function audit(app: App, event: AuditEvent, details: Readonly<Record<string, unknown>> = {}): Promise<void> {
  const { config, environment } = app;
  const actor = config.auditActor || environment.USER || environment.USERNAME || 'unknown';
  (await app.log()).info(AUDIT_WORDS[event], { event, actor, ...details });
}
