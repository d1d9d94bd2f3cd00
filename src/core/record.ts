/** The words that all records share. Plain data only: a record can be sent to a thread or over a wire. */

/** Milliseconds: a length, or a time since 1970. */
export type Ms = number;
export type TaskId = string;
/** A value made text by the codec. */
export type Text = string;
/** Grows with each claim of a task; whoever writes must show the current one. */
export type Fence = number;

/** A record in the making: what is absent is left out, field by field. On hot ways, putting one together from spreads took longer than deciding. */
export type Draft<T> = { -readonly [K in keyof T]: T[K] };

/** An error as it is stored: text only, never rebuilt as a class. */
export interface Failure {
  readonly name: string;
  readonly message: string;
  readonly stack?: string;
  readonly code?: string;
}

/** `Name: message`, as results and events show it. */
export function failureText(failure: Failure): string {
  return failure.message === "" ? failure.name : `${failure.name}: ${failure.message}`;
}
