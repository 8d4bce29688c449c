import type { Config } from '../../../config/settings.ts';
import { modeOf } from '../../../core/clients/proxy-mode.ts';
import { durationText } from '../../../core/text/duration.ts';
import type { Style } from '../../ui/style.ts';
import type { Paint } from '../../ui/table.ts';
import { padToWidth, wrapToWidth } from '../../ui/width.ts';
import { MODE_WORDS } from '../../words/mode-line.ts';
import { rotationOf, type StatusReport } from './report.ts';

type View = { readonly width: number; readonly style: Style };

const NAME = 'Proxy';

/** "Proxy  running at 127.0.0.1:54123, up 2 h, live, sticky"; below it what one who does not expect that should know. */
export function renderProxyLine(report: StatusReport, { width, style }: View): string[] {
  const { word, text, paint } = wordsOf(report, style);
  const indent = NAME.length + 2;
  const lines = wrapToWidth(`${word}${text}`, width - indent);
  const painted = lines.map((line, n) => {
    const head = n === 0 && line.startsWith(word) ? `${paint(word)}${line.slice(word.length)}` : line;
    return `${padToWidth(n === 0 ? style.strong(NAME) : '', indent)}${head}`;
  });
  const remarks = [remarkOn(report.config), report.foreign == null ? null : `Its settings are ${report.foreign}.`];
  const say = (remark: string | null) => (remark === null ? [] : wrapToWidth(remark, width - indent));
  return [...painted, ...remarks.flatMap(say).map((line) => `${' '.repeat(indent)}${style.dim(line)}`)];
}

function wordsOf(report: StatusReport, style: Style): { word: string; text: string; paint: Paint } {
  const { probe, config, url } = report;
  const { host } = new URL(url);
  const how = `${modeOf(config)}, ${rotationOf(report) ?? 'manual'}`;
  switch (probe.kind) {
    case 'running': {
      const up = durationText(probe.uptimeSeconds * 1000, 'down');
      return { word: 'running', text: ` at ${host}, up ${up}, ${how}`, paint: style.good };
    }
    case 'nothing':
      return { word: 'not running', text: ` (${how}); start it with \`kmi proxy\``, paint: style.warn };
    case 'stranger':
      return { word: 'not running', text: `; another program holds ${host}`, paint: style.bad };
    case 'unreachable':
      return { word: 'not known', text: ` (${how}): ${host} cannot be asked`, paint: style.warn };
  }
}

/** Live is what people expect; everything else has its sentence. */
function remarkOn(config: Config): string | null {
  const mode = modeOf(config);
  return mode === 'live' ? null : `${MODE_WORDS[mode].word}: ${MODE_WORDS[mode].rest}`;
}
