/** Spans and clocks as the views say them; the proxy says them in the same words. */
export {
  agoText,
  clockText,
  durationText,
  ENGLISH,
  type TimeWords,
  untilText,
  untilWithClock,
} from '../../core/text/duration.ts';
