import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { cleanUp } from '../support/cleanup.ts';

export type Finding = { readonly attack: string; readonly target: string; readonly read: string };

export type AttackPage = { readonly port: number; readonly findings: Promise<readonly Finding[]> };

/** A page that tries everything a page can against each target, and reports what it could read. */
export async function serveAttackPage(targets: readonly string[], path: string): Promise<AttackPage> {
  let report!: (findings: readonly Finding[]) => void;
  const findings = new Promise<readonly Finding[]>((resolve) => {
    report = resolve;
  });
  const html = `<!doctype html><title>attack</title><script>(${attack.toString()})(${JSON.stringify(targets)}, ${JSON.stringify(path)})</script>`;
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (chunk: string) => {
      body += chunk;
    });
    request.on('end', () => {
      if (request.url === '/report') report(JSON.parse(body));
      response.setHeader('content-type', 'text/html').end(request.url === '/' ? html : '');
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanUp(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  return { port: (server.address() as AddressInfo).port, findings };
}

export const ATTACKS = [
  ...['fetch-get', 'fetch-no-cors', 'fetch-post-text', 'fetch-post-json', 'fetch-auth', 'fetch-credentials', 'fetch-keepalive'],
  ...['xhr', 'image', 'script', 'style', 'frame', 'sandboxed-frame', 'form', 'form-text', 'websocket', 'event-source', 'beacon'],
  ...['worker', 'link-prefetch'],
] as const;

/** Runs in the page: plain browser code, without anything of this file. */
async function attack(targets: string[], path: string): Promise<void> {
  // biome-ignore lint/suspicious/noExplicitAny: the tests are compiled without the types of a browser.
  const { document, WebSocket, EventSource, XMLHttpRequest, navigator, Worker, Blob, URL: Urls } = globalThis as any;
  const found: { attack: string; target: string; read: string }[] = [];
  const chat = '{"model":"kimi-for-coding","messages":[{"role":"user","content":"from a page"}]}';
  const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
  const element = (tag: string, fields: object) => {
    const made = Object.assign(document.createElement(tag), fields);
    document.documentElement.append(made);
    return made;
  };
  const loads = (made: { onload: unknown; onerror: unknown }) =>
    new Promise<string>((resolve) => {
      made.onload = () => resolve('loaded');
      made.onerror = () => resolve('');
    });
  for (const target of targets) {
    const url = (name: string) => `${target}${path}?attack=${name}`;
    const read = async (name: string, options: object) => {
      const answer = await fetch(url(name), options as RequestInit);
      return answer.type === 'opaque' ? '' : `${answer.status} ${await answer.text()}`;
    };
    const json = { 'content-type': 'application/json' };
    const form = (name: string, enctype: string) => {
      element('iframe', { name: `frame-${name}` });
      const made = element('form', { action: url(name), method: 'POST', enctype, target: `frame-${name}` });
      const field = document.createElement('input');
      field.name = chat;
      made.append(field);
      made.submit();
    };
    const attempts: Record<string, () => Promise<string>> = {
      'fetch-get': () => read('fetch-get', {}),
      'fetch-no-cors': () => read('fetch-no-cors', { mode: 'no-cors' }),
      'fetch-post-text': () => read('fetch-post-text', { method: 'POST', mode: 'no-cors', body: chat }),
      'fetch-post-json': () => read('fetch-post-json', { method: 'POST', body: chat, headers: json }),
      'fetch-auth': () => read('fetch-auth', { headers: { authorization: 'Bearer x' } }),
      'fetch-credentials': () => read('fetch-credentials', { credentials: 'include' }),
      'fetch-keepalive': () => read('fetch-keepalive', { method: 'POST', mode: 'no-cors', keepalive: true, body: chat }),
      xhr: () =>
        new Promise((resolve) => {
          const request = new XMLHttpRequest();
          request.onload = () => resolve(`${request.status} ${request.responseText}`);
          request.onerror = () => resolve('');
          request.open('GET', url('xhr'));
          request.send();
        }),
      image: () => loads(element('img', { src: url('image') })),
      script: () => loads(element('script', { src: url('script') })),
      style: () => loads(element('link', { rel: 'stylesheet', href: url('style') })),
      frame: async () => {
        const frame = element('iframe', { src: url('frame') });
        await loads(frame);
        try {
          return frame.contentWindow.document.body.textContent;
        } catch {
          return '';
        }
      },
      // Its origin is "null".
      'sandboxed-frame': async () => {
        const script = `<script>fetch(${JSON.stringify(url('sandboxed-frame'))}, {method: 'POST', mode: 'no-cors', body: 'x'})</script>`;
        element('iframe', { sandbox: 'allow-scripts', srcdoc: script });
        return '';
      },
      form: async () => {
        form('form', 'application/x-www-form-urlencoded');
        return '';
      },
      'form-text': async () => {
        form('form-text', 'text/plain');
        return '';
      },
      websocket: () =>
        new Promise((resolve) => {
          const socket = new WebSocket(url('websocket').replace('http', 'ws'));
          socket.onopen = () => resolve('opened');
          socket.onerror = () => resolve('');
        }),
      'event-source': () =>
        new Promise((resolve) => {
          const source = new EventSource(url('event-source'));
          source.onmessage = (event: { data: string }) => resolve(event.data);
          source.onerror = () => {
            source.close();
            resolve('');
          };
        }),
      beacon: async () => {
        navigator.sendBeacon(url('beacon'), chat);
        return '';
      },
      worker: () =>
        new Promise((resolve) => {
          const code = `fetch(${JSON.stringify(url('worker'))}).then((a) => a.text()).then(postMessage, () => postMessage(''))`;
          const worker = new Worker(Urls.createObjectURL(new Blob([code])));
          worker.onmessage = (event: { data: string }) => resolve(event.data);
          worker.onerror = () => resolve('');
        }),
      'link-prefetch': async () => {
        element('link', { rel: 'prefetch', href: url('link-prefetch') });
        return '';
      },
    };
    await Promise.all(
      Object.entries(attempts).map(async ([name, attempt]) => {
        const text = await Promise.race([attempt().catch(() => ''), wait(5_000).then(() => '')]);
        // A frame shows the browser's own error page as loaded; what counts is what can be read.
        if (text !== '') found.push({ attack: name, target, read: String(text).slice(0, 200) });
      }),
    );
  }
  // Forms and prefetches tell nobody when they are done.
  await wait(1_000);
  await fetch('/report', { method: 'POST', body: JSON.stringify(found) });
}
