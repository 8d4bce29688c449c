import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { offsetMinutes, stampPerSecond, zonedStamp } from '../../../src/core/text/zoned-time.ts';

const WINTER = Date.UTC(2026, 1, 2, 9, 0, 0);
const SUMMER = Date.UTC(2026, 6, 2, 9, 0, 0);

describe('a stamp', () => {
  it.each<[number, string, string]>([
    [WINTER, '+03:00', '2026-02-02 12:00:00 +0300'],
    [WINTER, 'Europe/Moscow', '2026-02-02 12:00:00 +0300'],
    [WINTER, 'UTC', '2026-02-02 09:00:00 +0000'],
    [WINTER, 'Etc/UTC', '2026-02-02 09:00:00 +0000'],
    [WINTER, '-03:30', '2026-02-02 05:30:00 -0330'],
    [WINTER, '-09:30', '2026-02-01 23:30:00 -0930'],
    [WINTER, 'Asia/Kathmandu', '2026-02-02 14:45:00 +0545'],
    [WINTER, 'Pacific/Kiritimati', '2026-02-02 23:00:00 +1400'],
    [WINTER, 'America/St_Johns', '2026-02-02 05:30:00 -0330'],
    [SUMMER, 'America/St_Johns', '2026-07-02 06:30:00 -0230'],
    [WINTER, 'Europe/Berlin', '2026-02-02 10:00:00 +0100'],
    [SUMMER, 'Europe/Berlin', '2026-07-02 11:00:00 +0200'],
    [WINTER + 999, 'UTC', '2026-02-02 09:00:00 +0000'],
  ])('of %i in %s', (at, zone, expected) => {
    expect(zonedStamp(at, zone)).toBe(expected);
  });

  it('changes its offset at the very second summer time begins', () => {
    const begin = Date.UTC(2026, 2, 29, 1);
    expect([begin - 1, begin].map((at) => zonedStamp(at, 'Europe/Berlin'))).toEqual([
      '2026-03-29 01:59:59 +0100',
      '2026-03-29 03:00:00 +0200',
    ]);
  });

  it('in local time has the offset of the machine', () => {
    const offset = -new Date(SUMMER).getTimezoneOffset();
    expect(offsetMinutes(SUMMER, 'local')).toBe(offset);
  });

  it('names the instant it was made of, in any zone', () => {
    const zones = fc.constantFrom('local', 'UTC', '+14:00', '-12:00', 'Asia/Tokyo', 'America/New_York', 'Australia/Lord_Howe');
    const instants = fc.integer({ min: 0, max: Date.UTC(2100, 0) });
    fc.assert(
      fc.property(instants, zones, (at, zone) => {
        const [date, time, offset] = zonedStamp(at, zone).split(' ');
        const back = Date.parse(`${date}T${time}${offset?.slice(0, 3)}:${offset?.slice(3)}`);
        expect(back).toBe(Math.floor(at / 1000) * 1000);
      }),
    );
  });

  it('per second is the same as one at a time, also when the clock goes back', () => {
    const stamp = stampPerSecond('Europe/Berlin');
    const instants = [WINTER, WINTER + 1, WINTER + 999, WINTER + 1000, SUMMER, WINTER, WINTER - 1];
    expect(instants.map(stamp)).toEqual(instants.map((at) => zonedStamp(at, 'Europe/Berlin')));
  });
});
