import type { Config } from '../../../config/settings.ts';
import type { ManualReason } from '../../../core/choosing/manual-rotation.ts';
import type { Strategy } from '../../../core/choosing/strategy.ts';
import type { ProxyMode } from '../../../core/clients/proxy-mode.ts';
import type { UnreadyReason } from '../../../core/keys/key-status.ts';
import { percentText } from '../../ui/bar.ts';
import { ENGLISH_KEYS, type KeyWords } from '../../words/key-words.ts';
import { MODE_WORDS } from '../../words/mode-line.ts';
import { STRATEGY_WORDS } from '../../words/strategy-words.ts';

/** The words of `kmi rotate`, in one language. Labels come in as they are shown. */
export type RotationMessages = {
  readonly keys: KeyWords;
  readonly mode: Readonly<Record<ProxyMode, { readonly word: string; readonly rest: string }>>;
  readonly changed: (from: string, to: string, arrow: string) => string;
  readonly stayed: (label: string) => string;
  /** Why the winner won; `rival` is the key it was compared with. */
  readonly because: (reason: ManualReason, rival: string | null) => string;
  /** The active key cannot serve, so the best of `eligible` others takes over. */
  readonly replaces: (active: string, why: string, eligible: number) => string;
  /** Auto-rotation is on, so this choice does not count for now. */
  readonly rotating: (strategy: Strategy) => string;
  readonly columns: { readonly key: string; readonly status: string; readonly left: string; readonly account: string };
  readonly resets: string;
  readonly askingFailed: string;
  readonly noneEligible: string;
  readonly remedy: (firstBack: string | null) => string;
  readonly wrote: (client: string, file: string, fields: string) => string;
  readonly backup: (file: string) => string;
  readonly alreadyThere: (client: string, file: string) => string;
  readonly throughProxy: (client: string, file: string) => string;
  readonly leftAlone: (client: string, file: string, problem: string) => string;
  readonly oauth: string;
};

export function rotationMessages(locale: Config['locale']): RotationMessages {
  return locale === 'ru' ? RUSSIAN : ENGLISH;
}

const ENGLISH: RotationMessages = {
  keys: ENGLISH_KEYS,
  mode: MODE_WORDS,
  changed: (from, to, arrow) => `Active key: ${from} ${arrow} ${to}`,
  stayed: (label) => `Active key stays ${label}.`,
  because(reason, rival) {
    switch (reason.kind) {
      case 'only_eligible':
        return 'It is the only key that can serve now.';
      case 'tie_moved':
        return `${reason.tied} keys are equally good, so the next of them takes over.`;
      case 'tie_stayed':
        return `${reason.tied} keys are equally good, and KMI_ROTATE_ON_TIE=0 keeps the active one.`;
      case 'better_status':
        return `Its status is better: it is ${ENGLISH_KEYS.status[reason.status]}, ${rival} is ${ENGLISH_KEYS.status[reason.other]}.`;
      case 'more_quota':
        return reason.other === null
          ? `It has ${percentText(reason.share)} of its quota left; that of ${rival} is unknown.`
          : `It has more quota left: ${percentText(reason.share)}; ${rival} has ${percentText(reason.other)}.`;
      case 'lower_error_rate':
        return `It failed less often in the last minutes: ${rateText(reason.rate)}; ${rival}: ${rateText(reason.other)}.`;
    }
  },
  replaces: (active, why, eligible) =>
    eligible === 1
      ? `${active} cannot serve now (${why}), and this is the only key that can.`
      : `${active} cannot serve now (${why}); this is the best of the ${eligible} keys that can.`,
  rotating: (strategy) => STRATEGY_WORDS[strategy].choiceWaits.english,
  columns: { key: 'KEY', status: 'STATUS', left: 'LEFT', account: 'ACCOUNT' },
  resets: 'resets',
  askingFailed: 'asking failed',
  noneEligible: 'No key can serve now; the active key does not change.',
  remedy: (firstBack) =>
    `${firstBack === null ? '' : `The first is back ${firstBack}. `}Add a key to the auths folder, or see \`kmi doctor\` for what can be unblocked.`,
  wrote: (client, file, fields) => `Wrote ${fields} into the config of ${client}: ${file}`,
  backup: (file) => `The file as it was before kmi: ${file}`,
  alreadyThere: (client, file) => `The config of ${client} has this key already: ${file}`,
  throughProxy: (client, file) => `${client} goes through the proxy, so its config stays as it is: ${file}`,
  leftAlone: (client, file, problem) => `The config of ${client} was left alone: ${problem} ${file}`,
  oauth: 'It also has an OAuth login, which the client may prefer to the key.',
};

const RUSSIAN_REASONS: Readonly<Record<UnreadyReason, string>> = {
  disabled: 'выключен',
  login_expired: 'вход истёк',
  auth: 'ключ отклонён (401)',
  payment_required: 'аккаунт не оплачен',
  banned: 'аккаунт закрыт Kimi',
  blocked: 'заблокирован',
  quota: 'квота исчерпана',
  rate: 'превышена частота запросов',
  upstream: 'не отвечал, когда другие работали',
  empty: 'квоты не осталось',
  probing: 'проверяется после паузы',
};

const RUSSIAN: RotationMessages = {
  keys: {
    status: {
      healthy: 'готов',
      ready: 'готов',
      warn: 'внимание',
      cooldown: 'на паузе',
      empty: 'пуст',
      blocked: 'заблокирован',
      disabled: 'выключен',
    },
    reason: (reason) => RUSSIAN_REASONS[reason],
    disabledIn: { key: 'выключен в своём файле', login: 'выключен командой `kmi keys disable`' },
    back: 'вернётся',
    askedAgain: 'следующая попытка',
    untilRecheck: 'до успешной проверки',
    untilUnblocked: 'пока вы его не разблокируете',
    time: {
      day: 'д',
      hour: 'ч',
      minute: 'мин',
      second: 'с',
      now: 'сейчас',
      in: 'через',
      months: ['янв', 'фев', 'мар', 'апр', 'мая', 'июн', 'июл', 'авг', 'сен', 'окт', 'ноя', 'дек'],
    },
  },
  mode: {
    simulated: { word: 'Симуляция', rest: 'отвечают вымышленные аккаунты; запросы не отправляются.' },
    'dry-run': {
      word: 'Пробный режим (dry-run)',
      rest: 'запросы не отправляются; `kmi config set KMI_DRY_RUN 0` включает рабочий режим.',
    },
    live: { word: 'Рабочий режим (live)', rest: 'запросы отправляются.' },
  },
  changed: (from, to, arrow) => `Активный ключ: ${from} ${arrow} ${to}`,
  stayed: (label) => `Активным остаётся ключ ${label}.`,
  because(reason, rival) {
    switch (reason.kind) {
      case 'only_eligible':
        return 'Это единственный ключ, который сейчас может работать.';
      case 'tie_moved':
        return `${equalKeys(reason.tied)}, поэтому взят следующий из них.`;
      case 'tie_stayed':
        return `${equalKeys(reason.tied)}, а KMI_ROTATE_ON_TIE=0 оставляет активный.`;
      case 'better_status':
        return `Его состояние лучше: «${RUSSIAN.keys.status[reason.status]}» против «${RUSSIAN.keys.status[reason.other]}» у ${rival}.`;
      case 'more_quota':
        return reason.other === null
          ? `Его квота известна (осталось ${percentText(reason.share)}), а у ${rival} — нет.`
          : `У него осталось больше квоты: ${percentText(reason.share)} против ${percentText(reason.other)} у ${rival}.`;
      case 'lower_error_rate':
        return `В последние минуты у него меньше ошибок: ${rateText(reason.rate)} против ${rateText(reason.other)} у ${rival}.`;
    }
  },
  replaces: (active, why, eligible) =>
    eligible === 1
      ? `${active} сейчас не может работать (${why}); этот ключ — единственный, который может.`
      : `${active} сейчас не может работать (${why}); из ${eligible} годных ключей этот лучший.`,
  rotating: (strategy) => STRATEGY_WORDS[strategy].choiceWaits.russian,
  columns: { key: 'КЛЮЧ', status: 'СОСТОЯНИЕ', left: 'ОСТАТОК', account: 'АККАУНТ' },
  resets: 'сброс',
  askingFailed: 'нет ответа о квоте',
  noneEligible: 'Ни один ключ сейчас не может работать; активный ключ не изменён.',
  remedy: (firstBack) =>
    `${firstBack === null ? '' : `Первый вернётся ${firstBack}. `}Добавьте ключ в папку ключей или посмотрите в \`kmi doctor\`, что можно снять.`,
  wrote: (client, file, fields) => `В конфигурацию ${client} записано ${fields}: ${file}`,
  backup: (file) => `Файл в прежнем виде: ${file}`,
  alreadyThere: (client, file) => `В конфигурации ${client} уже этот ключ: ${file}`,
  throughProxy: (client, file) => `${client} работает через прокси, его конфигурация не изменена: ${file}`,
  leftAlone: (client, file, problem) => `Конфигурация ${client} не изменена: ${problem} ${file}`,
  oauth: 'У него есть и вход через OAuth, который клиент может предпочесть ключу.',
};

/** 0 to 1 and more, as a percent. */
function rateText(rate: number): string {
  return `${Math.round(rate * 1000) / 10} %`;
}

/** Russian counts by the last digits: 2 ключа, 5 ключей, 21 ключ. */
function equalKeys(count: number): string {
  const tens = count % 100;
  const ones = tens >= 11 && tens <= 14 ? 0 : count % 10;
  if (ones === 1) return `${count} ключ равно хорош`;
  return ones >= 2 && ones <= 4 ? `${count} ключа равно хороши` : `${count} ключей равно хороши`;
}
