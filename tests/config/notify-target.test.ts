import { describe, expect, it } from 'vitest';
import { describeConfig } from '../../src/config/document.ts';
import { loadConfig } from '../../src/config/load.ts';
import { notifySecrets, shownNotifyTarget } from '../../src/config/notify-target.ts';
import { SETTINGS } from '../../src/config/settings.ts';

describe('where notices go', () => {
  it.each([
    ['', ''],
    [' off ', ''],
    ['none', ''],
    ['Desktop', 'desktop'],
    ['https://hooks.slack.com/services/T/B/x?y=1', 'https://hooks.slack.com/services/T/B/x?y=1'],
    ['http://127.0.0.1:8080/hook', 'http://127.0.0.1:8080/hook'],
    ['http://localhost/hook', 'http://localhost/hook'],
  ])('%j', (text, target) => {
    expect(SETTINGS.notify.parse(text)).toBe(target);
  });

  it.each(['http://hooks.slack.com/x', 'slack', 'ftp://a/b', '$SLACK_HOOK', 'https://a/b c', 'https://', '//host/x'])(
    'not %j',
    (text) => {
      expect(() => SETTINGS.notify.parse(text)).toThrow();
    },
  );

  it('are shown as scheme and host', () => {
    expect(shownNotifyTarget('https://u:p@hooks.slack.com/services/x')).toBe('https://hooks.slack.com');
    expect([shownNotifyTarget(''), shownNotifyTarget('desktop')]).toEqual(['(not set)', 'desktop']);
  });
});

it('no part of a webhook that lets anybody send there is shown', () => {
  const loaded = loadConfig({ KMI_NOTIFY: 'https://hooks.slack.com/services/T0/B0/x0secret?key=y0secret' }, '/nonexistent');
  const entry = describeConfig(loaded).find(({ variable }) => variable === 'KMI_NOTIFY');
  expect(entry).toMatchObject({ group: 'Notices', value: 'https://hooks.slack.com', source: 'environment' });
  expect(notifySecrets(loaded.config.notify)).toEqual([loaded.config.notify, '/services/T0/B0/x0secret', '?key=y0secret']);
  expect(notifySecrets('desktop')).toEqual([]);
});
