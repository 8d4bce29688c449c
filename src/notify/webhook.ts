import { setTimeout as delay } from 'node:timers/promises';
import { ConnectFailure } from '../core/network/connect-failure.ts';
import { describeNetworkCode, networkCode } from '../core/network/network-words.ts';
import type { Notice } from './notices.ts';

/** Sends a JSON text and gives back the status of the answer. */
export type Post = (
  url: string,
  body: string,
  options: { readonly signal: AbortSignal; readonly headers: Readonly<Record<string, string>> },
) => Promise<number>;

const TIMEOUT_MS = 5_000;
const RETRY_AFTER_MS = 1_000;

/** Null when it was taken, else why not. The words name no part of the URL, whose path and query are a secret. */
export async function postNotice(target: string, notice: Notice, post: Post, signal?: AbortSignal): Promise<string | null> {
  const body = JSON.stringify(payloadOf(notice));
  const { url, headers } = addressOf(target);
  const first = await attempt(url, headers, body, post);
  if (first === null || !first.mayPass) return first?.problem ?? null;
  const stays = await delay(RETRY_AFTER_MS, true, signal === undefined ? {} : { signal }).catch(() => false);
  if (!stays) return first.problem;
  return (await attempt(url, headers, body, post))?.problem ?? null;
}

/** `text` is what Slack and its like show, `content` what Discord does; the rest is for scripts. */
function payloadOf({ event, text, keyLabel, at, until }: Notice) {
  return {
    text,
    content: text,
    event,
    key_label: keyLabel,
    at: new Date(at).toISOString(),
    until: until === null ? null : new Date(until).toISOString(),
  };
}

/** The URL without the user and password that may stand in it, which go into a header. */
function addressOf(target: string): { url: string; headers: Record<string, string> } {
  const url = new URL(target);
  const { username, password } = url;
  const headers: Record<string, string> = { 'content-type': 'application/json; charset=utf-8', 'user-agent': 'kmi' };
  if (username !== '' || password !== '') {
    const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
    headers.authorization = `Basic ${Buffer.from(pair).toString('base64')}`;
  }
  url.username = '';
  url.password = '';
  url.hash = '';
  return { url: url.href, headers };
}

type Refusal = { readonly problem: string; readonly mayPass: boolean };

async function attempt(url: string, headers: Record<string, string>, body: string, post: Post): Promise<Refusal | null> {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  try {
    const status = await post(url, body, { signal, headers });
    if (status >= 200 && status < 300) return null;
    return { problem: `HTTP ${status}`, mayPass: status >= 500 || status === 429 || status === 408 };
  } catch (error) {
    return { problem: signal.aborted ? 'no answer in time' : wordsOf(error), mayPass: true };
  }
}

/** A `ConnectFailure` names hosts only; other messages may hold the URL. */
function wordsOf(error: unknown): string {
  return error instanceof ConnectFailure ? error.message.replace(/\.$/, '') : describeNetworkCode(networkCode(error));
}
