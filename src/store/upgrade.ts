import { defaultRollout } from "../core/rollout-policy.ts";

type Fields = Readonly<Record<string, unknown>>;

/** What records lack that an earlier version wrote, by kind. */
const missing: Readonly<Record<string, (record: Fields) => Fields>> = {
  deployment: ({ configGeneration, spec }) => ({ newestConfigGeneration: configGeneration, spec: wholeSpec(spec) }),
  progress: ({ everRan }) => ({ progressedAtMs: 0, rolloutFailure: "", everStable: everRan }),
  revision: ({ spec }) => ({ configGeneration: 1, spec: wholeSpec(spec) }),
};

function wholeSpec(spec: unknown): unknown {
  const fields = (spec ?? {}) as Fields;
  return { rollout: defaultRollout, ...fields, runtimeEnv: { npm: [], pip: [], ...(fields.runtimeEnv as Fields | undefined) } };
}

/** A record as kept, with what this version added to its kind. */
export function upgraded<T>(kind: string, record: T): T {
  const added = missing[kind]?.(record as Fields);
  if (added === undefined) return record;
  return { ...added, ...(record as Fields), ...("spec" in added ? { spec: added.spec } : {}) } as T;
}
