import type { Simulator, TokenAnswer } from '../../src/simulator/simulator.ts';
import { json } from './client.ts';

export const CLIENT_ID = '17e5f671-d194-4dfb-9706-5516cb48c098';
export const DEVICE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code';

export type Printed = { readonly status: number; readonly body: Record<string, unknown> };

/** Sends a form as clients of the authorisation server do; `client_id` unless the form has its own. */
export async function sendForm(simulator: Simulator, endpoint: string, form: Record<string, string> = {}): Promise<Printed> {
  const response = await fetch(`${simulator.origin}/api/oauth/${endpoint}`, {
    method: 'POST',
    headers: { accept: 'application/json', 'user-agent': 'test/1', 'x-msh-device-id': 'device-1' },
    body: new URLSearchParams({ client_id: CLIENT_ID, ...form }),
  });
  return { status: response.status, body: await json(response) };
}

export type Device = { readonly userCode: string; readonly deviceCode: string };

export async function beginDevice(simulator: Simulator): Promise<Device> {
  const { body } = await sendForm(simulator, 'device_authorization');
  return { userCode: String(body.user_code), deviceCode: String(body.device_code) };
}

export function poll(simulator: Simulator, device: Device): Promise<Printed> {
  return sendForm(simulator, 'token', { grant_type: DEVICE_GRANT, device_code: device.deviceCode });
}

export function refresh(simulator: Simulator, refreshToken: string): Promise<Printed> {
  return sendForm(simulator, 'token', { grant_type: 'refresh_token', refresh_token: refreshToken });
}

/** The pair of a refresh; throws when it was refused. */
export async function renew(simulator: Simulator, refreshToken: string): Promise<TokenAnswer> {
  const { status, body } = await refresh(simulator, refreshToken);
  if (status !== 200) throw new Error(`the refresh was refused with ${status}`);
  return body as TokenAnswer;
}
