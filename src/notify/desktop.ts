import { spawn } from 'node:child_process';

type Variables = Readonly<Record<string, string | undefined>>;

type DesktopCommand = { readonly file: string; readonly args: readonly string[]; readonly variables?: Variables };

const TITLE = 'kmi';
/** What shows a notice is done in a moment, or hangs. */
const TIMEOUT_MS = 10_000;

/** A toast of Windows PowerShell; title and text come as variables, so that nothing in them is read as a command. */
const TOAST = [
  '[void][Windows.UI.Notifications.ToastNotificationManager, Windows.UI.Notifications, ContentType = WindowsRuntime]',
  '$xml = [Windows.UI.Notifications.ToastNotificationManager]::GetTemplateContent(1)',
  "$texts = $xml.GetElementsByTagName('text')",
  '[void]$texts.Item(0).AppendChild($xml.CreateTextNode($env:NOTICE_TITLE))',
  '[void]$texts.Item(1).AppendChild($xml.CreateTextNode($env:NOTICE_TEXT))',
  "$id = '{1AC14E77-02E7-4E5D-B744-2EB1AE5198B7}\\WindowsPowerShell\\v1.0\\powershell.exe'",
  '[Windows.UI.Notifications.ToastNotificationManager]::CreateToastNotifier($id).Show([Windows.UI.Notifications.ToastNotification]::new($xml))',
].join('; ');

/** The program that shows notices on this platform. */
export function desktopProgram(platform: NodeJS.Platform = process.platform): string {
  if (platform === 'darwin') return 'osascript';
  return platform === 'win32' ? 'powershell' : 'notify-send';
}

export function desktopCommand(text: string, platform: NodeJS.Platform = process.platform): DesktopCommand {
  const file = desktopProgram(platform);
  switch (platform) {
    case 'darwin': {
      const script = ['on run argv', 'display notification (item 1 of argv) with title (item 2 of argv)', 'end run'];
      return { file, args: [...script.flatMap((line) => ['-e', line]), text, TITLE] };
    }
    case 'win32': {
      const variables = { NOTICE_TITLE: TITLE, NOTICE_TEXT: text };
      return { file, args: ['-NoProfile', '-NonInteractive', '-Command', TOAST], variables };
    }
    default:
      // The body may be read as markup.
      return { file, args: ['--app-name=kmi', '--', TITLE, text.replace(/[&<>]/g, (each) => ENTITIES[each] as string)] };
  }
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' };

/** Null when it was shown, else why not. */
export function showOnDesktop(text: string, environment: Variables): Promise<string | null> {
  const { file, args, variables } = desktopCommand(text);
  return new Promise((resolve) => {
    const child = spawn(file, args, {
      stdio: 'ignore',
      env: { ...withoutSettings(environment), ...variables },
      timeout: TIMEOUT_MS,
      windowsHide: true,
    });
    child.unref();
    child.once('error', (error) => {
      resolve((error as NodeJS.ErrnoException).code === 'ENOENT' ? `${file} is not installed` : `${file} cannot be run`);
    });
    child.once('exit', (code) => resolve(code === 0 ? null : `${file} failed${code === null ? '' : ` (exit code ${code})`}`));
  });
}

/** The program needs the desktop's variables and none of ours, which may hold secrets. */
function withoutSettings(environment: Variables): Variables {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !/^kmi_/i.test(name)));
}
