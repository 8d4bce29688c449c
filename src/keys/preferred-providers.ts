/** Which of several providers speaks for a file, before the others in the file's order (docs/kmi-manager.md#auth-files). */
export const PREFERRED_PROVIDERS = ['managed:kimi-code', 'kimi-for-coding', 'moonshot-ai'] as const;
