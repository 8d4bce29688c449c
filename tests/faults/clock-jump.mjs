// Preloaded (`node --import`): the wall clock of this process jumps by an hour, forwards and back, at moments drawn from
// KMI_FAULT_CLOCK_SEED. Timers and the monotonic clock go on, as they do when somebody sets the clock.
const HOUR_MS = 3_600_000;
const RealDate = Date;
const realNow = Date.now.bind(Date);
let state = Number(process.env.KMI_FAULT_CLOCK_SEED ?? 1) >>> 0;
let shiftMs = 0;

/** 0 to 1; xorshift32. */
function share() {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  state >>>= 0;
  return state / 2 ** 32;
}

globalThis.Date = class extends RealDate {
  constructor(...args) {
    if (args.length === 0) super(realNow() + shiftMs);
    else super(...args);
  }

  static now() {
    return realNow() + shiftMs;
  }
};

function jumpSoon() {
  setTimeout(
    () => {
      shiftMs = [-HOUR_MS, 0, HOUR_MS][Math.floor(share() * 3)];
      jumpSoon();
    },
    100 + share() * 900,
  ).unref();
}

if (process.env.KMI_FAULT_CLOCK_SEED !== undefined) {
  shiftMs = [-HOUR_MS, 0, HOUR_MS][Math.floor(share() * 3)];
  jumpSoon();
}
