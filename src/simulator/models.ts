const THINKING = { support: true, valid_efforts: ['low', 'high', 'max'], default_effort: 'max' };

/** The models seen upstream (docs/kimi-api.md#models) with the fields clients read. */
const MODELS = [
  model('k3', 'Kimi K3', 1_048_576, 'only'),
  model('k3-256k', 'Kimi K3 256K', 262_144, 'only'),
  model('kimi-for-coding', 'Kimi For Coding', 1_048_576, 'both'),
  model('kimi-for-coding-highspeed', 'Kimi For Coding Highspeed', 262_144, 'no'),
];

function model(id: string, displayName: string, contextLength: number, thinkingType: 'only' | 'no' | 'both') {
  const thinks = thinkingType !== 'no';
  return {
    id,
    object: 'model',
    created: 1_760_000_000,
    owned_by: 'moonshot',
    display_name: displayName,
    context_length: contextLength,
    supports_reasoning: thinks,
    supports_image_in: true,
    supports_video_in: true,
    supports_tool_use: true,
    supports_dynamic_tools: true,
    supports_thinking_type: thinkingType,
    ...(thinks ? { think_efforts: THINKING } : {}),
  };
}

export function knowsModel(id: string): boolean {
  return MODELS.some((known) => known.id === id);
}

/**
 * The body of `GET /models` for an account; an unknown id in its list gets the fields of `kimi-for-coding`. `protocol`:
 * said of every model unless null.
 */
export function renderModels(ids: readonly string[] | null, protocol: string | null): string {
  const models =
    ids === null ? MODELS : ids.map((id) => MODELS.find((known) => known.id === id) ?? model(id, id, 1_048_576, 'both'));
  const data = protocol === null ? models : models.map((one) => ({ ...one, protocol }));
  return JSON.stringify({ object: 'list', data });
}
