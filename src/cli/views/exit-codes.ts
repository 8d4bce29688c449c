export const SERVES = [
  [0, 'a key can serve now'],
  [1, 'no key can serve, or there are none'],
] as const;
