import { spawn } from 'node:child_process';

type Variables = Readonly<Record<string, string | undefined>>;

export type BrowserCommand = { readonly file: string; readonly args: readonly string[] };

/**
 * What shows an address in the browser of the person who sits at the terminal. Null when there is none to be seen: over SSH a browser
 * would open where nobody looks, and without a display `xdg-open` takes the terminal for a text browser. Null also for anything but a
 * plain web address, because the address came from a server.
 */
export function browserCommand(
  url: string,
  environment: Variables,
  platform: NodeJS.Platform = process.platform,
): BrowserCommand | null {
  const address = webAddress(url);
  if (address === null) return null;
  const has = (name: string) => (environment[name] ?? '') !== '';
  switch (platform) {
    case 'darwin':
      return isRemote(environment) ? null : { file: 'open', args: [address] };
    case 'win32':
      // What `start` does; `start` itself is a word of cmd, which reads an & of the address as the end of the command.
      return isRemote(environment) ? null : { file: 'rundll32', args: ['url.dll,FileProtocolHandler', address] };
    default:
      // A display of one's own is there over SSH too, when it is forwarded.
      return has('DISPLAY') || has('WAYLAND_DISPLAY') ? { file: 'xdg-open', args: [address] } : null;
  }
}

/** Opens an address in the browser, and answers whether a program for that was started. Never throws, never waits for the browser. */
export function openBrowser(url: string, environment: Variables): Promise<boolean> {
  const command = browserCommand(url, environment);
  if (command === null) return Promise.resolve(false);
  return new Promise((resolve) => {
    // In a group of its own: Ctrl+C in this terminal is not for the browser.
    const child = spawn(command.file, command.args, {
      stdio: 'ignore',
      detached: true,
      env: withoutSettings(environment),
      windowsHide: true,
    });
    child.unref();
    child.once('spawn', () => resolve(true));
    child.once('error', () => resolve(false));
  });
}

function isRemote(environment: Variables): boolean {
  return ['SSH_CONNECTION', 'SSH_CLIENT', 'SSH_TTY'].some((name) => (environment[name] ?? '') !== '');
}

/** The address in the form in which nothing of it can be read as an option or a command. */
function webAddress(url: string): string | null {
  if (!URL.canParse(url)) return null;
  const { protocol, href } = new URL(url);
  return protocol === 'https:' || protocol === 'http:' ? href : null;
}

/** The browser needs the desktop's variables and none of ours, which may hold secrets. */
function withoutSettings(environment: Variables): Variables {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !/^kmi_/i.test(name)));
}
