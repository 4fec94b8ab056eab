import { createTask, type ScheduledTask } from "node-cron";

/** Reads a cron expression. */
export interface Cron {
  /** Whether the expression matches the second that begins at this time. */
  matches(secondMs: number): boolean;
  close(): void;
}

/**
 * Opens an expression of five fields, which matches at full minutes, or of six, with seconds first; or
 * a name, such as `@daily`. `timeZone` undefined: that of the process.
 *
 * Where both the day of the month and the day of the week are set, either is enough, as POSIX has
 * it. node-cron wants both, so such an expression is split into one for each.
 */
export function openCron(expression: string, timeZone?: string): Cron {
  const options = timeZone === undefined ? {} : { timezone: timeZone };
  const tasks: readonly ScheduledTask[] = parts(expression).map((one) => createTask(one, () => {}, options));
  return {
    matches: (secondMs) => tasks.some((task) => task.match(new Date(secondMs))),
    close: () => {
      for (const task of tasks) void task.destroy();
    },
  };
}

/** The expressions of which each is enough. Names are node-cron's own. */
const parts = (expression: string): readonly string[] =>
  expression.trim().startsWith("@") ? [expression] : splitDays(withSeconds(expression));

const fieldsOf = (expression: string): readonly string[] => expression.trim().split(/\s+/);

export const hasSeconds = (expression: string): boolean => fieldsOf(expression).length > 5;

/** The minutes in which the expression may match. */
export const minutesOf = (expression: string): string => fieldsOf(expression).slice(-5).join(" ");

const withSeconds = (expression: string): string => (hasSeconds(expression) ? expression : `0 ${expression.trim()}`);

const isAny = (field: string): boolean => field === "*" || field === "?";

function splitDays(expression: string): readonly string[] {
  const [second, minute, hour, day = "*", month, weekday = "*"] = fieldsOf(expression);
  if (isAny(day) || isAny(weekday)) return [expression];
  return [
    [second, minute, hour, day, month, "*"],
    [second, minute, hour, "*", month, weekday],
  ].map((fields) => fields.join(" "));
}
