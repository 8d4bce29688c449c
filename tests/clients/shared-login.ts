import { existsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'vitest';
import { openLogins } from '../../src/app-logins.ts';
import { loadConfig } from '../../src/config/load.ts';
import { SecretSet } from '../../src/core/text/secret-set.ts';
import { findExistingLogin } from '../../src/logins/existing.ts';
import { slotPaths } from '../../src/logins/slot-lock.ts';
import type { Grant } from '../../src/simulator/oauth-record.ts';
import type { Simulator } from '../../src/simulator/simulator.ts';
import { type Installation, install } from '../faults/installation.ts';
import type { Random } from '../faults/seeded.ts';
import { type Chat, readChat, sendChat } from '../faults/traffic.ts';
import { cleanUp } from '../support/cleanup.ts';
import { eventually } from '../support/eventually.ts';
import { temporaryHome } from '../support/home.ts';
import { send } from '../support/http-client.ts';
import { soon } from '../support/soon.ts';
import type { InstalledClients } from './installed-clients.ts';
import { KimiAgent } from './kimi-agent.ts';
import { kimiAt, type LoggingInKimi } from './kimi-login.ts';
import { SlotWatch, type Span } from './slot-watch.ts';

/** To Kimi Code such a token is due at each call, to kmi when two to four seconds of it are over. */
const LIFE_S = 6;
const LONGEST_PAUSE_MS = 7_000;
/** Long enough for both to want new tokens at one moment. */
const SLOW_ANSWER_MS = 400;
const CHAT: Chat = { protocol: 'openai', stream: true, mark: 'x' };

/** A login that a kill cost: from the grant whose answer was lost until a new login serves. Times in epoch ms. */
type Loss = {
  readonly from: number;
  to: number;
  readonly usedToken: string;
  /** What became of the answer at the server. */
  readonly answer: string;
  /** From the grant to the kill. */
  readonly afterMs: number;
};

/** Ten times what the longest way from a grant to the slot was seen to take. */
const WINDOW_MS = soon(500);

/** Renewals granted, by who asked. */
export type Renewals = { readonly all: number; readonly kmi: number; readonly kimiCode: number };

type Proxy = Awaited<ReturnType<Installation['startProxy']>>;

/** By whom a grant was asked for, as the request says. */
function isOf(platform: 'kmi' | 'kimi_code_cli'): (grant: Grant) => boolean {
  return ({ request }) => request.headers['x-msh-platform'] === platform;
}

const isOfKmi = isOf('kmi');
const isOfKimiCode = isOf('kimi_code_cli');

/**
 * Real Kimi Code and the built proxy with one login. Kimi Code was logged in by its own device login and chats at the simulator as it does
 * afterwards; another client chats through the proxy; access tokens end before their time now and then.
 */
export class SharedLogin {
  readonly simulator: Simulator;
  readonly kimi: LoggingInKimi;
  readonly slot: SlotWatch;
  /** The folder that stands for the lock of the slot. */
  readonly lock: string;
  readonly losses: Loss[] = [];
  /** Kills that left the lock behind. */
  locksLeft = 0;
  prompts = 0;
  chats = 0;
  readonly #installation: Installation;
  readonly #agent: KimiAgent;
  readonly #file: string;
  readonly #random: Random;
  readonly #work: Promise<unknown>;
  readonly #promptProblems: Span[] = [];
  readonly #chatProblems: Span[] = [];
  /** While no proxy serves. */
  readonly #downs: Span[] = [];
  #proxy: Proxy | null = null;
  #prompting: Promise<unknown> = Promise.resolve();
  /** Kimi Code is asked nothing until it resolves. */
  #mayPrompt: Promise<unknown> = Promise.resolve();
  /** Ends the pause before the next prompt. */
  #promptNow: () => void = () => undefined;
  #isOver = false;

  private constructor(parts: {
    installation: Installation;
    kimi: LoggingInKimi;
    agent: KimiAgent;
    file: string;
    random: Random;
    session: string;
  }) {
    this.#installation = parts.installation;
    this.simulator = parts.installation.simulator;
    this.kimi = parts.kimi;
    this.#agent = parts.agent;
    this.#file = parts.file;
    this.#random = parts.random;
    this.lock = slotPaths(parts.file).lock;
    this.slot = new SlotWatch(parts.file);
    this.#work = Promise.all([this.#prompt(parts.session), this.#chat(), this.#contend()]);
  }

  /** Logs Kimi Code in and begins its work; no proxy serves yet. */
  static async begin(clients: InstalledClients, random: Random): Promise<SharedLogin> {
    const installation = await install({
      accounts: [],
      simulator: { oauth: { accessLifetimeS: LIFE_S, intervalS: 1, latencyMs: SLOW_ANSWER_MS } },
    });
    const { simulator } = installation;
    simulator.addAccount({ name: 'ada', keys: [] });
    const kimi = await kimiAt(clients, simulator, (await temporaryHome()).root);
    expect(await kimi.logIn('ada')).toMatchObject({ code: 0 });
    const file = await kimi.credentialFile();
    await refer(installation, kimi, file);
    const agent = await KimiAgent.start(join(clients.binFolder, 'kimi'), kimi);
    const shared = new SharedLogin({ installation, kimi, agent, file, random, session: await agent.open() });
    cleanUp(() => shared.#stop());
    return shared;
  }

  async startProxy(): Promise<void> {
    this.#proxy = await this.#installation.startProxy();
  }

  renewals(): Renewals {
    const all = this.simulator.oauth.grants.filter(({ kind }) => kind === 'refresh');
    return { all: all.length, kmi: all.filter(isOfKmi).length, kimiCode: all.filter(isOfKimiCode).length };
  }

  /** Kills the proxy and starts the next one. If that cost the login, Kimi Code logs in again. */
  async kill(): Promise<void> {
    const { child, ended } = (this.#proxy as Proxy).kmi;
    const from = Date.now();
    this.#proxy = null;
    child.kill('SIGKILL');
    await ended;
    const lock = await madeAt(this.lock);
    const loss = await this.#findLoss(from);
    if (loss !== null) this.losses.push(loss);
    await this.startProxy();
    this.#downs.push({ from, to: Date.now(), what: 'down' });
    // Kimi Code would have released it by now.
    if (lock !== null && lock === (await madeAt(this.lock))) this.locksLeft += 1;
    if (loss !== null) await this.#mend(loss);
  }

  /** The login is lost when the dead proxy was granted the last pair, and the slot does not have it: nobody else knows it. */
  async #findLoss(killedAt: number): Promise<Loss | null> {
    // Once this is answered, the simulator has read whatever the dead proxy had sent.
    await send(`${this.simulator.origin}/`);
    const present = await this.slot.refreshToken();
    const { oauth } = this.simulator;
    const last = oauth.grants.at(-1) as Grant;
    if (!isOfKmi(last) || oauth.isLive(present)) return null;
    const { at, refreshToken, request } = last;
    const [answer, afterMs] = [request.ended ?? 'open', killedAt - at];
    return { from: at, to: Number.POSITIVE_INFINITY, usedToken: refreshToken ?? '', answer, afterMs };
  }

  async #mend(loss: Loss): Promise<void> {
    let goOn: () => void = () => undefined;
    this.#mayPrompt = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    await this.#prompting;
    expect(await this.kimi.logIn('ada')).toMatchObject({ code: 0 });
    // The running proxy finds the new pair where the old one was.
    await eventually(async () => {
      const { status, text } = await sendChat(this.#proxy?.url ?? '', CHAT);
      if (status !== 200) throw new Error(`After a new login of Kimi Code: ${status} ${text}`);
      return true;
    });
    loss.to = Date.now();
    goOn();
  }

  async #prompt(session: string): Promise<void> {
    while (!this.#isOver) {
      await this.#mayPrompt;
      this.#prompting = this.#promptOnce(session);
      await this.#prompting;
      let isOver = false;
      this.#promptNow = () => {
        isOver = true;
      };
      await this.#pause(0, LONGEST_PAUSE_MS, () => isOver);
    }
  }

  async #promptOnce(session: string): Promise<void> {
    const from = Date.now();
    this.prompts += 1;
    const what = await this.#agent.prompt(session, 'say hello').catch(String);
    if (!/^Hello from account ada, request \d+\.$/.test(what)) this.#promptProblems.push({ from, to: Date.now(), what });
  }

  async #chat(): Promise<void> {
    while (!this.#isOver) {
      const url = this.#proxy?.url;
      if (url !== undefined) {
        const from = Date.now();
        this.chats += 1;
        const reading = readChat(await sendChat(url, CHAT), CHAT);
        if ('problem' in reading) this.#chatProblems.push({ from, to: Date.now(), what: reading.problem });
      }
      await this.#pause(50, 250);
    }
  }

  /** Both renew at one moment: the proxy for the 401 that the next chat meets, Kimi Code for a prompt. */
  async #contend(): Promise<void> {
    const steps = [() => this.simulator.oauth.endAccess('ada'), () => this.#promptNow()];
    while (!this.#isOver) {
      await this.#pause(6_000, 10_000);
      const [first, second] = this.#random.pick([steps, steps.toReversed()]);
      first?.();
      await this.#pause(0, 300);
      second?.();
    }
  }

  async #pause(low: number, high: number, isOver = () => false): Promise<void> {
    const until = Date.now() + this.#random.between(low, high);
    while (Date.now() < until && !this.#isOver && !isOver()) await delay(20);
  }

  /**
   * From now on the authorisation server answers at once. Of the proxy's renewals since: from the grant until its pair is in the slot, ms.
   * A file's times may lie some ms in the past, so this says how long it can take and not how short it is.
   */
  measureWindows(): () => readonly number[] {
    const { oauth } = this.simulator;
    oauth.behave({ latencyMs: 0 });
    const first = oauth.grants.length;
    return () =>
      oauth.grants.slice(first).flatMap((grant, index, since) => {
        // The next grant tells which pair came of this one.
        const placedAt = this.slot.placedAt.get(since[index + 1]?.refreshToken ?? '');
        return isOfKmi(grant) && placedAt !== undefined ? [placedAt - grant.at] : [];
      });
  }

  /** What holds at any time, but for the spans of losses, and for chats while the proxy was away. */
  expectGood(): void {
    const { losses } = this;
    const { grants, received } = this.simulator.oauth;
    for (const { afterMs } of losses) expect(afterMs).toBeLessThan(WINDOW_MS);
    expect(outside(this.slot.problems, losses)).toEqual([]);
    expect(outside(this.#promptProblems, losses)).toEqual([]);
    expect(outside(this.#chatProblems, [...losses, ...this.#downs])).toEqual([]);
    // No refresh token is sent again, but those whose answer nobody has.
    const lost = new Set(losses.map(({ usedToken }) => usedToken));
    const refused = received.filter(({ step, result }) => step === 'refresh' && result !== 'granted');
    const wronglySent = refused.filter(({ form }) => !lost.has(form.refresh_token ?? ''));
    expect(wronglySent.map(({ headers, at }) => [headers['user-agent'], at])).toEqual([]);
    expect(received.filter(({ step }) => step === 'begin')).toHaveLength(1 + losses.length);
    for (const { lifeLeftShare } of grants.filter(isOfKmi)) expect(lifeLeftShare).toBeLessThanOrEqual(0.7);
    // Each under its own name, from first to last.
    const devices = [isOfKmi, isOfKimiCode].map((isOfOne) => new Set(grants.filter(isOfOne).map(({ deviceId }) => deviceId)));
    expect(devices.map(({ size }) => size)).toEqual([1, 1]);
    expect(new Set(devices.flatMap((ids) => [...ids])).size).toBe(2);
    expect(grants.filter((grant) => !isOfKmi(grant) && !isOfKimiCode(grant))).toEqual([]);
  }

  /** Ends the work in good order: nothing is left of any renewal. */
  async end(): Promise<void> {
    // The next renewal clears up what dead proxies have left.
    const { kmi } = this.renewals();
    await eventually(() => (this.renewals().kmi > kmi ? true : undefined), 60_000);
    await this.#stop();
    expect(await this.#proxy?.kmi.stop()).toMatchObject({ code: 0 });
    expect(existsSync(this.lock)).toBe(false);
    expect(await readdir(dirname(this.#file))).toHaveLength(1);
  }

  async #stop(): Promise<void> {
    this.#isOver = true;
    await this.#work;
    await this.#agent.stop();
    await this.slot.stop();
  }
}

function outside(spans: readonly Span[], excuses: readonly Pick<Span, 'from' | 'to'>[]): readonly Span[] {
  return spans.filter(({ from, to }) => !excuses.some((excuse) => from <= excuse.to && to >= excuse.from));
}

/** When a folder was made; null: there is none. */
function madeAt(folder: string): Promise<number | null> {
  return stat(folder).then(
    ({ birthtimeMs }) => birthtimeMs,
    () => null,
  );
}

/** As `kmi login --existing` does: kmi remembers where the login is, and nothing of it. */
async function refer({ env, home }: Installation, kimi: LoggingInKimi, file: string): Promise<void> {
  const found = await findExistingLogin(kimi.env, null);
  if (found === null || 'problem' in found) throw new Error(`No login of Kimi Code was found: ${found?.problem}`);
  expect(found).toMatchObject({ kind: 'kimi-code', file, isOver: false });
  const { config } = loadConfig(env, home.root);
  const { logins, close } = await openLogins({ config, clock: Date.now, environment: env, secrets: new SecretSet() });
  const { isOver: _, ...place } = found;
  await logins.add({ ...place, label: 'ada', account: null, email: null, priority: 0, weight: 100, disabled: false }, null);
  await close();
}
